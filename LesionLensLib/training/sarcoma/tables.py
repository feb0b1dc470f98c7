"""The table of an outcome study: every figure of every row with its interval and the number of patients behind it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from LesionLensLib.outcome.bootstrap import REPEATS, bootstrap_interval
from LesionLensLib.outcome.figure import Figure
from LesionLensLib.outcome.judge import auc_by_fold, judge
from LesionLensLib.outcome.outcomes import Floats, Indices, Outcomes
from LesionLensLib.outcome.roc import auc_figure, compare_aucs
from LesionLensLib.training.sarcoma.predictions import Prediction

CROSS_VALIDATION = "cross-validation"
PUBLIC_TEST = "public-test"
YARDSTICK = "suvmax"
COLUMNS = ("row", "scope", "figure", "value", "low", "high", "patients", "cases", "method")


@dataclass(frozen=True)
class RowPredictions:
    """What one row said: about each patient when he was held out, and about the public test."""

    name: str
    held_out: tuple[Prediction, ...]
    public: tuple[Prediction, ...]


def write_metrics(
    rows: Sequence[RowPredictions], path: Path, repeats: int = REPEATS
) -> dict[str, dict[str, dict[str, Any]]]:
    """Write the table and return the same as row -> scope -> figure -> record.

    `auc_minus_suvmax` compares a row with the plain SUVmax on the same patients (`DeLong`): a network whose interval
    does not lie above 0 has not earned its place.
    """
    record: dict[str, dict[str, dict[str, Any]]] = {}
    for scope, pick in _SCOPES.items():
        yardstick = next((pick(row) for row in rows if row.name == YARDSTICK), ())
        for row in rows:
            if pick(row):
                figures = row_figures(pick(row), () if row.name == YARDSTICK else yardstick, repeats)
                values = {name: figure.to_dict() for name, figure in figures.items()}
                record.setdefault(row.name, {})[scope] = values
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for name, scopes in record.items():
            for scope, by_figure in scopes.items():
                writer.writerows({"row": name, "scope": scope, "figure": f, **v} for f, v in by_figure.items())
    part.replace(path)
    return record


def row_figures(
    predictions: Sequence[Prediction], yardstick: Sequence[Prediction] = (), repeats: int = REPEATS
) -> dict[str, Figure]:
    """Return the figures of one row: by its probabilities at 0.5, by its scores, and of the tumour's outline."""
    ranked = _outcomes(predictions, lambda p: p.score)
    figures = judge(_outcomes(predictions, lambda p: p.probability), repeats=repeats)
    figures["auc"] = auc_figure(ranked, repeats)
    folds = [int(p.fold) for p in predictions if p.fold.isdigit()]
    if len(folds) == len(predictions):
        by_fold = [value for value in auc_by_fold(ranked, folds).values() if value is not None]
        mean = float(np.mean(by_fold)) if by_fold else None
        figures["auc_mean_of_folds"] = Figure(mean, None, None, figures["auc"].patients, figures["auc"].cases, "none")
    if yardstick:
        other = {p.case: p for p in yardstick}
        simple = _outcomes([other[p.case] for p in predictions], lambda p: p.score)
        figures["auc_minus_suvmax"] = compare_aucs(ranked, simple, repeats).difference
    for name in ("tumour_dice", "whole_dice", "inside_share"):
        values = [getattr(p, name) for p in predictions]
        if None not in values:
            figures[name] = _mean_figure(np.array(values, dtype=np.float64), ranked, repeats)
    return figures


_SCOPES: dict[str, Callable[[RowPredictions], tuple[Prediction, ...]]] = {
    CROSS_VALIDATION: lambda row: row.held_out,
    PUBLIC_TEST: lambda row: row.public,
}


def _outcomes(predictions: Sequence[Prediction], score: Callable[[Prediction], float]) -> Outcomes:
    return Outcomes.of(
        [p.outcome for p in predictions], [score(p) for p in predictions], [p.patient for p in predictions]
    )


def _mean_figure(values: Floats, outcomes: Outcomes, repeats: int) -> Figure:
    """Return the mean over the cases with a bootstrap over patients."""

    def mean(drawn: Indices) -> float:
        return float(values[drawn].mean())

    low, high = bootstrap_interval(outcomes.groups, mean, repeats)
    return Figure(float(values.mean()), low, high, len(outcomes.groups), outcomes.cases, "bootstrap")
