"""What the page says beside the pictures: the sentences of the report, and the rows that lead to a place."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from LesionLensLib.errors import UserError
from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.results import REPORT_FILE, is_result_folder

RESEARCH_USE = "Research use only; not a medical device."
EVIDENCE = {
    "real-data": "trained on real data",
    "simulated": SIMULATED_NOTE,
    "untrained": "untrained: its answers mean nothing",
}
SEVERITIES = {"warning": "Warning", "error": "Error"}
_WHOLE_FROM = 100
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
    """The cells of a row as they are read, and the point (RAS, mm) it leads to; None for nowhere."""

    cells: tuple[str, ...]
    ras: Point | None


@dataclass(frozen=True)
class RowTable:
    """Lesions or regions with the titles of their columns."""

    titles: tuple[str, ...] = ()
    rows: tuple[Row, ...] = field(default=())


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are shown, under which titles, and which three are the place (RAS, mm)."""

    shown: Mapping[str, str]
    place: tuple[str, str, str]


LESIONS = Columns(
    {"lesion": "Lesion", "volume_ml": "Volume (ml)", "mean_probability": "Mean prob.", "max_probability": "Highest"},
    ("centroid_r", "centroid_a", "centroid_s"),
)
REGIONS = Columns(
    {"name": "Region", "volume_ml": "Volume (ml)", "mean": "Mean impact", "share": "Share", "peak": "Peak"},
    ("peak_r", "peak_a", "peak_s"),
)
FILES = {"lesions.csv": LESIONS, "regions.csv": REGIONS}


def read_report(folder: Path) -> dict[str, Any]:
    """Return the parsed `report.json` of a result folder; raises `UserError` where the folder is none."""
    if not is_result_folder(folder):
        raise UserError(
            f"The folder {folder.name} is no result of LesionLens.",
            "Name the folder that segment, predict or explain has written.",
        )
    report: dict[str, Any] = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    return report


def sentences(report: Mapping[str, Any]) -> list[str]:
    """Return what the report says in words: the answer, how far to believe it, what was odd about the input."""
    result = report["result"]
    said = [str(result["text"])] if result.get("text") else []
    if not said and "lesion_count" in result:
        said.append(f"Found: {result['lesion_count']} lesions, {result['lesion_volume_ml']:.2f} ml in all.")
    for part in result.values():
        text = str(part.get("text") or "") if isinstance(part, Mapping) else ""
        if text and not any(text in other for other in said):
            said.append(text)
    for finding in report["findings"]:
        if finding["severity"] in SEVERITIES:
            said.append(f"{SEVERITIES[finding['severity']]}: {finding['text']}")
    return said


def made_with(report: Mapping[str, Any]) -> str:
    """Return which model made the result, and what that model learned from."""
    model = report["model"]
    evidence = EVIDENCE.get(model["evidence"], model["evidence"])
    return f"Model {model['id']} {model['version']}: {evidence}."


def read_rows(folder: Path, report: Mapping[str, Any]) -> RowTable:
    """Return the lesions or regions of a result folder; of a prediction, the lesions that were asked about."""
    for name, columns in FILES.items():
        if (folder / name).is_file():
            with (folder / name).open(newline="", encoding="utf-8") as file:
                return _table(list(csv.DictReader(file)), columns)
    lesions = [one for one in report["result"].get("lesions", ()) if "center_ras" in one]
    rows = tuple(
        Row((str(one["lesion"]), f"{one['probability']:.2f}", str(one["class"])), _point(one["center_ras"]))
        for one in lesions
    )
    return RowTable(("Lesion", "Probability", "Class"), rows) if rows else RowTable()


def _table(records: list[dict[str, str]], columns: Columns) -> RowTable:
    shown = {name: title for name, title in columns.shown.items() if records and name in records[0]}
    rows = tuple(Row(tuple(_cell(one[name]) for name in shown), _place(one, columns.place)) for one in records)
    return RowTable(tuple(shown.values()), rows)


def _place(record: Mapping[str, str], names: tuple[str, str, str]) -> Point | None:
    values = [record.get(name) or "" for name in names]
    return _point(values) if all(values) else None  # a region without voxels has no peak


def _point(values: Any) -> Point:
    right, anterior, superior = (float(value) for value in values)
    return right, anterior, superior


def _cell(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:.0f}" if abs(number) >= _WHOLE_FROM or text.isdigit() else f"{number:.3g}"
