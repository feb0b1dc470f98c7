"""What the models' folders hold of their trainings: predictions and the figures made from them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from LesionLensLib.errors import UserError
from LesionLensLib.training.outcome.predictions import ALL_FILE, Prediction, read_all_predictions
from LesionLensLib.training.outcome.tables import Figures, write_metrics

METRICS_FILE, REPORT_FILE = "metrics.csv", "training-report.json"
YARDSTICKS: Mapping[str, str] = {"attention-resnet-brainmet": "volume", "chmfl-sarcoma": "suvmax"}
"""The row without a network that the others of each outcome model are compared with."""


def remake_figures(folder: Path) -> None:
    """Make the model's table of figures again from what every row said of every case."""
    report = read_report(folder)
    write_metrics(
        read_all_predictions(folder / ALL_FILE),
        folder / METRICS_FILE,
        YARDSTICKS[folder.name],
        int(report["recipe"]["bootstrap"]),
    )


def read_figures(folder: Path) -> Figures:
    """Return the figures by row, scope and name; raises `UserError` for a table that cannot be read."""
    found: Figures = {}
    try:
        with (folder / METRICS_FILE).open(newline="", encoding="utf-8") as file:
            for record in csv.DictReader(file):
                numbers = {name: float(record[name]) if record[name] else None for name in ("value", "low", "high")}
                counts = {name: int(record[name]) for name in ("patients", "cases")}
                by_figure = found.setdefault(record["row"], {}).setdefault(record["scope"], {})
                by_figure[record["figure"]] = {**numbers, **counts, "method": record["method"]}
    except (OSError, KeyError, ValueError) as error:
        message = f"The figures of {folder.name} cannot be read."
        raise UserError(message, "Make them again from the predictions.", repr(error)) from error
    return found


def read_said(folder: Path) -> dict[str, dict[str, tuple[Prediction, ...]]]:
    """Return what every row said, by row and scope."""
    return read_all_predictions(folder / ALL_FILE)


def read_report(folder: Path) -> dict[str, Any]:
    """Return the report of the model's training; raises `UserError` where it cannot be read."""
    return read_record(folder / REPORT_FILE, f"training report of {folder.name}", "Get the model again.")


def read_record(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """Return the object of a JSON file; raises `UserError` that calls it `what` where it cannot be read."""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"The {what} cannot be read.", remedy, repr(error)) from error
    return record
