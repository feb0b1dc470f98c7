"""`metrics.csv`: the loss of a training as it goes, cut back to the checkpoint where a run is resumed."""

from __future__ import annotations

import csv
from pathlib import Path

LOG_FILE = "metrics.csv"
COLUMNS = ("step", "loss", "learning_rate", "seconds")


def append_log(folder: Path, step: int, loss: float, rate: float, seconds: float) -> None:
    """Add the row of `step`: mean loss since the last row, learning rate, seconds since the run was (re)started."""
    path = folder / LOG_FILE
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerow([step, f"{loss:.5f}", f"{rate:.3e}", f"{seconds:.0f}"])


def cut_log(folder: Path, step: int) -> None:
    """Drop the rows of steps that were done after the checkpoint and will be done again, and rows half-written."""
    path = folder / LOG_FILE
    if path.exists():
        rows = [row.split(",") for row in path.read_text(encoding="utf-8").splitlines()[1:]]
        kept = [row for row in rows if len(row) == len(COLUMNS) and int(row[0]) <= step]
        part = path.with_suffix(".part")
        part.write_text("\n".join(",".join(row) for row in [COLUMNS, *kept]) + "\n", encoding="utf-8")
        part.replace(path)
