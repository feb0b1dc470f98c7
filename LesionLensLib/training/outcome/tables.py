"""The table of an outcome study: every figure of every row with its interval and the number of patients behind it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from LesionLensLib.outcome.bootstrap import REPEATS, bootstrap_interval
from LesionLensLib.outcome.figure import Figure
from LesionLensLib.outcome.judge import auc_by_fold, judge
from LesionLensLib.outcome.outcomes import Floats, Indices, Outcomes
from LesionLensLib.outcome.roc import auc_figure, compare_aucs
from LesionLensLib.training.outcome.predictions import Prediction

COLUMNS = ("row", "scope", "figure", "value", "low", "high", "patients", "cases", "method")

Scopes = Mapping[str, tuple[Prediction, ...]]
"""What one row said, by what it is judged on: patients held out, a test."""

Figures = dict[str, dict[str, dict[str, dict[str, Any]]]]
"""Row -> scope -> figure -> record."""


def write_metrics(rows: Mapping[str, Scopes], path: Path, yardstick: str, repeats: int = REPEATS) -> Figures:
    """Write the table of all rows by name, and return the same as nested records.

    `auc_minus_YARDSTICK` compares a row with the row of that name on the same patients (`DeLong`): a network whose
    interval does not lie above 0 has not earned its place.
    """
    record: Figures = {}
    for name, scopes in rows.items():
        for scope, predictions in scopes.items():
            simple = () if name == yardstick else rows.get(yardstick, {}).get(scope, ())
            figures = row_figures(predictions, simple, yardstick, repeats)
            values = {figure: found.to_dict() for figure, found in figures.items()}
            record.setdefault(name, {})[scope] = values
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for name, by_scope in record.items():
            for scope, by_figure in by_scope.items():
                writer.writerows({"row": name, "scope": scope, "figure": f, **v} for f, v in by_figure.items())
    part.replace(path)
    return record


def row_figures(
    predictions: Sequence[Prediction],
    simple: Sequence[Prediction] = (),
    yardstick: str = "",
    repeats: int = REPEATS,
    threshold: float = 0.5,
) -> dict[str, Figure]:
    """Return the figures of one row: by its probabilities at `threshold`, by its scores, and of the tumour's outline.

    `simple` is what the row called `yardstick` said about the same cases; none means no comparison.
    """
    ranked = _outcomes(predictions, lambda p: p.score)
    figures = judge(_outcomes(predictions, lambda p: p.probability), threshold, repeats)
    figures["auc"] = auc_figure(ranked, repeats)
    folds = [int(p.fold) for p in predictions if p.fold.isdigit()]
    if len(folds) == len(predictions):
        by_fold = [value for value in auc_by_fold(ranked, folds).values() if value is not None]
        mean = float(np.mean(by_fold)) if by_fold else None
        figures["auc_mean_of_folds"] = Figure(mean, None, None, figures["auc"].patients, figures["auc"].cases, "none")
    if simple:
        other = {p.case: p for p in simple}
        simpler = _outcomes([other[p.case] for p in predictions], lambda p: p.score)
        figures[f"auc_minus_{yardstick}"] = compare_aucs(ranked, simpler, repeats).difference
    for name in ("tumour_dice", "whole_dice", "inside_share"):
        values = [getattr(p, name) for p in predictions]
        if None not in values:
            figures[name] = _mean_figure(np.array(values, dtype=np.float64), ranked, repeats)
    return figures


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
