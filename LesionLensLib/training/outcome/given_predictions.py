"""A table of predictions from anywhere: of a training, of a cohort, of another program."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.calibration import logit_of
from LesionLensLib.training.outcome.predictions import Prediction

OUTCOMES = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
DICE_COLUMNS = ("tumour_dice", "whole_dice", "inside_share")


@dataclass(frozen=True)
class GivenPredictions:
    """The cases that can be judged, and how many lines had no known outcome or no probability."""

    predictions: tuple[Prediction, ...]
    without_outcome: int
    without_probability: int


def read_given_predictions(path: Path) -> GivenPredictions:
    """Read a CSV table with the columns `case`, `probability` and `outcome` (or `label`), one line a case.

    `patient` (else the case), `fold` and `score` (else the logit of the probability; the ROC curve ranks by it) are
    taken where they are there, and so are shares of overlap. Raises `UserError` that names the line for values that are
    no outcome or probability and for a case that stands there twice, and where no case is left.
    """
    lines = _lines(path)
    label = "outcome" if "outcome" in lines[0][1] else "label"
    missing = [name for name in ("case", "probability", label) if name not in lines[0][1]]
    if missing:
        lacking = "outcome" if missing[0] == label else missing[0]
        message = f"The predictions in {path.name} lack the column {lacking}."
        raise UserError(message, "Give a CSV table with the columns case, outcome and probability.")
    known = [line for line in lines if line[1][label]]
    judged = [line for line in known if line[1]["probability"]]
    if not judged:
        raise UserError(
            f"{path.name} has no case with an outcome and a probability.", "Fill in these two columns."
        )
    with_score = all(record.get("score") for _, record in judged)
    predictions = tuple(_prediction(number, record, label, with_score) for number, record in judged)
    _check_cases(predictions, path.name)
    return GivenPredictions(predictions, len(lines) - len(known), len(known) - len(judged))


def _lines(path: Path) -> Sequence[tuple[int, Mapping[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            records = [(reader.line_num, record) for record in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"The predictions in {path.name} cannot be read."
        raise UserError(message, "Give a CSV table of predictions.", str(error)) from error
    if not records:
        raise UserError(f"The predictions in {path.name} have no line.", "Give a CSV table with a line for each case.")
    return [(n, {k.strip(): (v or "").strip() for k, v in r.items() if isinstance(k, str)}) for n, r in records]


def _prediction(line: int, record: Mapping[str, str], label: str, with_score: bool) -> Prediction:
    if record[label] not in OUTCOMES:
        raise UserError(
            f"Line {line} has the outcome {record[label]!r}.",
            "Write 1 where the event happened, 0 where it did not, nothing where it is unknown.",
        )
    probability = _number(line, record, "probability")
    if not 0 <= probability <= 1:
        raise UserError(f"Line {line} has the probability {probability:g}.", "Give probabilities from 0 to 1.")
    score = _number(line, record, "score") if with_score else float(logit_of(probability))
    overlap = {name: _number(line, record, name) if record.get(name) else None for name in DICE_COLUMNS}
    case = record["case"]
    patient, fold = record.get("patient") or case, record.get("fold", "")
    return Prediction(case, patient, fold, OUTCOMES[record[label]], probability, score, **overlap)


def _number(line: int, record: Mapping[str, str], name: str) -> float:
    try:
        value = float(record[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"Line {line} has {record[name]!r} as {name}.", "Write numbers with a decimal point.")
    return value


def _check_cases(predictions: Sequence[Prediction], table: str) -> None:
    seen: set[str] = set()
    for one in predictions:
        if not one.case or one.case in seen:
            raise UserError(
                f"{table} has the case {one.case!r} empty or twice.",
                "Give every case one line; of a table with several rows or scopes, one of them.",
            )
        seen.add(one.case)
