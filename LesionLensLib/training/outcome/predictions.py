"""`predictions.csv`: what was said about patients who were held out."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from LesionLensLib.errors import UserError

PREDICTIONS_FILE = "predictions.csv"
ALL_FILE = "all-predictions.csv"
BESIDE_FILE = "beside.csv"
"""What a part says about cases beside its held-out ones."""


@dataclass(frozen=True)
class Prediction:
    """One patient: `fold` is the number of the fold that held him out, or "public" for the fixed public test.

    `probability` is as the row says it, `score` what the ROC curve ranks by: the logit of a network, the SUVmax of that
    row. The Dice values are None for a row that outlines nothing.
    """

    case: str
    patient: str
    fold: str
    outcome: int
    probability: float
    score: float
    tumour_dice: float | None = None
    whole_dice: float | None = None
    inside_share: float | None = None


def write_predictions(predictions: Sequence[Prediction], path: Path) -> None:
    """Write the table, whole or not at all."""
    _write_table(path, (), [((), prediction) for prediction in predictions])


def write_all_predictions(rows: Mapping[str, Mapping[str, Sequence[Prediction]]], path: Path) -> None:
    """Write what every row said, `rows` by name and scope, as one table, whole or not at all."""
    said = [((row, scope), one) for row, scopes in rows.items() for scope, ones in scopes.items() for one in ones]
    _write_table(path, ("row", "scope"), said)


def _write_table(path: Path, before: Sequence[str], records: Sequence[tuple[tuple[str, ...], Prediction]]) -> None:
    names = [f.name for f in fields(Prediction)]
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*before, *names])
        writer.writerows([*first, *(_text(getattr(one, name)) for name in names)] for first, one in records)
    part.replace(path)


def read_predictions(path: Path) -> tuple[Prediction, ...]:
    """Read what `write_predictions` wrote; raises `UserError` for anything else."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return tuple(_prediction(record) for record in csv.DictReader(file))
    except (OSError, KeyError, ValueError, TypeError) as error:
        message = f"The predictions in {path.name} cannot be read."
        raise UserError(message, "Train that part again.", repr(error)) from error


def read_all_predictions(path: Path) -> dict[str, dict[str, tuple[Prediction, ...]]]:
    """Read what `write_all_predictions` wrote, by row and scope; raises `UserError` for anything else."""
    found: dict[str, dict[str, list[Prediction]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for record in csv.DictReader(file):
                found.setdefault(record["row"], {}).setdefault(record["scope"], []).append(_prediction(record))
    except (OSError, KeyError, ValueError, TypeError) as error:
        message = f"The predictions in {path.name} cannot be read."
        raise UserError(message, "Train the model again.", repr(error)) from error
    return {row: {scope: tuple(ones) for scope, ones in scopes.items()} for row, scopes in found.items()}


def _text(value: object) -> str:
    # Nine digits give every float32 back.
    return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)


def _prediction(record: dict[str, str]) -> Prediction:
    optional = {n: float(record[n]) if record[n] else None for n in ("tumour_dice", "whole_dice", "inside_share")}
    return Prediction(
        record["case"],
        record["patient"],
        record["fold"],
        int(record["outcome"]),
        float(record["probability"]),
        float(record["score"]),
        **optional,
    )
