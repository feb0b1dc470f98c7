"""How the shipped model does on the test as users get it: calibrated, with its interval, against the true risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from LesionLensLib.outcome.calibration import Calibration
from LesionLensLib.outcome.judge import judge
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.outcome.reliability import reliability
from LesionLensLib.outcome.risk_interval import FEWEST_MODELS, Risk, risk_of
from LesionLensLib.training.outcome.predictions import Prediction


def shipped_figures(
    fold_predictions: Sequence[Prediction],
    calibration: Calibration,
    truth: Mapping[str, float],
    repeats: int,
) -> dict[str, Any]:
    """Return the figures of calibrated probabilities and their intervals on the test lesions.

    `fold_predictions` are those of every fold's networks, `truth` the true risk by case where it is known: the interval
    is of the risk, and should hold that of 95 in 100 lesions. Empty for too few folds.
    """
    by_case: dict[str, list[Prediction]] = {}
    for one in fold_predictions:
        by_case.setdefault(one.case, []).append(one)
    if not by_case or min(len(group) for group in by_case.values()) < FEWEST_MODELS:
        return {}
    risks = {case: risk_of([one.score for one in group], calibration) for case, group in by_case.items()}
    firsts = [group[0] for group in by_case.values()]
    outcomes = Outcomes.of(
        [one.outcome for one in firsts], [risks[one.case].probability for one in firsts], [o.patient for o in firsts]
    )
    found: dict[str, Any] = {
        "figures": {name: figure.to_dict() for name, figure in judge(outcomes, repeats=repeats).items()},
        "reliability": reliability(outcomes).to_dict(),
        "mean_interval_width": round(float(np.mean([risk.high - risk.low for risk in risks.values()])), 4),
    }
    if set(truth) >= set(risks):
        found["against_truth"] = _against_truth(risks, truth)
    return found


def _against_truth(risks: Mapping[str, Risk], truth: Mapping[str, float]) -> dict[str, float | int]:
    """Return how often the interval held the true risk, and how far the probability was from it."""
    held = [risk.low <= truth[case] <= risk.high for case, risk in risks.items()]
    errors = [abs(risk.probability - truth[case]) for case, risk in risks.items()]
    return {
        "lesions": len(risks),
        "interval_holds_true_risk": round(float(np.mean(held)), 4),
        "mean_absolute_error": round(float(np.mean(errors)), 4),
    }
