"""Whether the probabilities of a model mean what they say, on patients its networks and its calibration never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from LesionLensLib.outcome.bootstrap import bootstrap_interval
from LesionLensLib.outcome.figure import Figure
from LesionLensLib.outcome.outcomes import Floats, Indices, Outcomes
from LesionLensLib.outcome.reliability import Reliability, brier_score, reliability
from LesionLensLib.training.fit_calibration import FEWEST_FOLDS, fit_calibration
from LesionLensLib.training.outcome.predictions import Prediction

RELIABILITY_PICTURE = "reliability.png"


def write_calibration_report(held_out: Sequence[Prediction], repeats: int, folder: Path) -> dict[str, Any]:
    """Draw `reliability.png` into `folder` and return its figures, before and after calibration, with intervals.

    Calibrated probabilities of a fold come from a calibration, its method included, that knows only the other folds.
    Empty for too few folds to calibrate on. `repeats` draws of patients stand behind an interval.
    """
    if len({one.fold for one in held_out}) < FEWEST_FOLDS:
        return {}
    logits = _outcomes(held_out, np.array([one.score for one in held_out]))
    fit = fit_calibration(logits, [int(one.fold) for one in held_out])
    said = {
        "uncalibrated": _outcomes(held_out, special.expit(logits.scores)),
        "calibrated": _outcomes(held_out, fit.probabilities),
    }
    tables = {name: reliability(outcomes, binning="equal-count") for name, outcomes in said.items()}
    draw_reliability(tables, folder / RELIABILITY_PICTURE)
    figures = {name: calibration_figures(outcomes, tables[name], repeats) for name, outcomes in said.items()}
    return {"method": fit.calibration.method, **figures}


def calibration_figures(outcomes: Outcomes, table: Reliability, repeats: int) -> dict[str, Any]:
    """Return error and Brier score; drawn again, an error of few patients rather grows, and so does its interval.

    The scores of `outcomes` are probabilities, `table` is theirs; `repeats` draws of patients stand behind an interval.
    """
    figures = {
        "expected_calibration_error": (table.error, _calibration_error),
        "brier_score": (brier_score(outcomes), brier_score),
    }
    found: dict[str, Any] = {"reliability": table.to_dict()}
    for name, (value, statistic) in figures.items():
        low, high = bootstrap_interval(outcomes.groups, partial(_of_draw, outcomes, statistic), repeats)
        found[name] = Figure(value, low, high, len(outcomes.groups), outcomes.cases, "bootstrap").to_dict()
    return found


def draw_reliability(tables: dict[str, Reliability], path: Path) -> None:
    """Draw the observed share against the mean probability of every bin, with its interval and its cases."""
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(4.5 * len(tables), 4.5), layout="constrained")
    for axes, (name, table) in zip(np.atleast_1d(picture.subplots(1, len(tables))), tables.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
        for row in table.rows:
            share = row.observed
            if row.mean_probability is None or share.value is None or share.low is None or share.high is None:
                continue
            below, above = share.value - share.low, share.high - share.value
            axes.errorbar(row.mean_probability, share.value, [[below], [above]], fmt="o", color="C0", capsize=3)
            axes.annotate(f"n = {share.cases}", (row.mean_probability, share.value), (5, 5), textcoords="offset points")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="probability said", ylabel="share with the event")
        axes.set_title(f"{name}: error {table.error:.3f}, by chance alone {table.error_by_chance:.3f}", fontsize=9)
    picture.savefig(path, dpi=110)


def _outcomes(held_out: Sequence[Prediction], scores: Floats) -> Outcomes:
    return Outcomes.of([one.outcome for one in held_out], scores, [one.patient for one in held_out])


def _calibration_error(outcomes: Outcomes) -> float:
    return reliability(outcomes, binning="equal-count", draws=1).error


def _of_draw(outcomes: Outcomes, statistic: Callable[[Outcomes], float], drawn: Indices) -> float:
    return statistic(Outcomes.of(outcomes.labels[drawn], outcomes.scores[drawn]))
