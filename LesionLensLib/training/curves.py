"""`loss.png`: the loss of one or more trainings over their steps, and what each step took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from LesionLensLib.training.training_log import read_column

CURVES_FILE = "loss.png"
BELOW = {"learning_rate": "learning rate", "seconds_per_step": "seconds a step", "memory_mb": "peak memory, MB"}
"""What is drawn below the loss, where a log tells it."""


def draw_curves(folders: Sequence[Path], path: Path, loss: str, title: str) -> None:
    """Draw the logs in `folders` into one picture, a curve each; `loss` is in words what was minimised."""
    from matplotlib.figure import Figure

    columns = {"loss": loss, **{name: text for name, text in BELOW.items() if _is_told(folders, name)}}
    figure = Figure(figsize=(8, 3 + 1.3 * len(columns)), layout="constrained")
    heights = [3.0, *[1.0] * (len(columns) - 1)]
    grid = figure.subplots(len(columns), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (column, text) in zip(grid, columns.items(), strict=True):
        for folder in folders:
            axes.plot(*read_column(folder, column), linewidth=1)
        axes.set_ylabel(text if column == "loss" else text.replace(" ", "\n", 1), fontsize="small")
    grid[0].set_title(title)
    grid[-1].set_xlabel("optimiser step")
    figure.savefig(path, dpi=110)


def _is_told(folders: Sequence[Path], column: str) -> bool:
    return any(read_column(folder, column)[0] for folder in folders)
