"""`metrics.csv`: how a training goes, cut back to the checkpoint where a run is resumed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOG_FILE = "metrics.csv"
COLUMNS = ("step", "loss", "learning_rate", "seconds", "seconds_per_step", "memory_mb")


@dataclass(frozen=True)
class LogRow:
    """One row: means since the last row, `seconds` since the run was (re)started.

    `memory_mb` is the most that one process has taken so far, on the GPU where it trains there; None where it is not
    known.
    """

    step: int
    loss: float
    learning_rate: float
    seconds: float
    seconds_per_step: float
    memory_mb: float | None

    def texts(self) -> list[str]:
        """Return the fields in the order of `COLUMNS`."""
        memory = "" if self.memory_mb is None else f"{self.memory_mb:.0f}"
        learned = [str(self.step), f"{self.loss:.5f}", f"{self.learning_rate:.3e}"]
        return [*learned, f"{self.seconds:.0f}", f"{self.seconds_per_step:.4g}", memory]


def append_log(folder: Path, row: LogRow) -> None:
    """Add `row` to the log in `folder`."""
    path = folder / LOG_FILE
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerow(row.texts())


def cut_log(folder: Path, step: int) -> None:
    """Drop the rows of steps that were done after the checkpoint and will be done again, and a row half-written.

    A log begun by an earlier version has fewer columns; the missing ones are left empty.
    """
    path = folder / LOG_FILE
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    head, *rows = [line.split(",") for line in text.splitlines()] or [[]]
    if rows and not text.endswith("\n"):
        rows.pop()
    kept = [row + [""] * (len(COLUMNS) - len(row)) for row in rows if len(row) == len(head) and int(row[0]) <= step]
    part = path.with_suffix(".part")
    part.write_text("".join(",".join(row) + "\n" for row in [COLUMNS, *kept]), encoding="utf-8")
    part.replace(path)


def read_column(folder: Path, column: str) -> tuple[Sequence[int], Sequence[float]]:
    """Return the steps at which the log in `folder` tells `column`, and what it tells; nothing where it does not."""
    with (folder / LOG_FILE).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get(column)]
    return [int(row["step"]) for row in rows], [float(row[column]) for row in rows]
