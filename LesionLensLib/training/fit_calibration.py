"""Fit temperature and Platt scaling on out-of-fold logits, and choose between them inside the folds.

The targets are Platt's (N1 + 1) / (N1 + 2) and 1 / (N0 + 2) (Platt, 1999): with a few dozen patients whom the network
happens to part perfectly, plain 0 and 1 would drive the slope to infinity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from LesionLensLib.errors import InternalFault, UserError
from LesionLensLib.outcome.calibration import METHODS, Calibration, Method
from LesionLensLib.outcome.outcomes import Floats, Outcomes
from LesionLensLib.outcome.reliability import log_loss

Folds = NDArray[np.int64]
_LARGEST_SLOPE = 1e3
_FLAT = 1e-6
FEWEST_FOLDS = 3


@dataclass(frozen=True, eq=False)
class CalibrationFit:
    """The calibration, and what it was chosen by.

    `losses` is the mean log loss of each method in folds it was not fitted on. `probabilities` `(n,)` are calibrated
    without the case's own fold, the choice of the method included: the ones to judge calibration by.
    """

    calibration: Calibration
    losses: dict[Method, float]
    probabilities: Floats


def fit_calibration(outcomes: Outcomes, folds: Sequence[int]) -> CalibrationFit:
    """Fit each method on out-of-fold logits (the scores of `outcomes`), keep the one with the lowest held-out log loss.

    `folds` `(n,)` is the fold in which each case was held out; of equal losses the simpler method wins. Raises
    `UserError` where fewer than three folds, or not both outcomes, are left to choose on.
    """
    fold = np.asarray(folds, dtype=np.int64)
    numbers = np.unique(fold)
    if fold.size != outcomes.cases or numbers.size < FEWEST_FOLDS:
        raise UserError("Calibration needs the fold of every case, and three folds.", "Give out-of-fold predictions.")
    labels, logits = outcomes.labels, outcomes.scores
    losses = _held_out_losses(labels, logits, fold)
    probabilities = np.empty(logits.size)
    for number in numbers:
        out = fold == number
        inner = _held_out_losses(labels[~out], logits[~out], fold[~out])
        probabilities[out] = fit_method(_best(inner), labels[~out], logits[~out]).apply(logits[out])
    chosen = fit_method(_best(losses), labels, logits, len(outcomes.groups))
    return CalibrationFit(chosen, losses, probabilities)


def fit_method(method: Method, labels: NDArray[np.int64], logits: Floats, patients: int | None = None) -> Calibration:
    """Fit one method to `labels` and `logits` `(n,)` by maximum likelihood (L-BFGS-B, analytic gradient).

    The slope never becomes negative: a network that ranks the wrong way round gets slope 0, not its answers turned
    over. Raises `UserError` where one of the outcomes is missing.
    """
    positives = int(labels.sum())
    if positives in (0, labels.size):
        raise UserError("Calibration needs patients with and without the event.", "Give more patients or fewer folds.")
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (labels.size - positives + 2))
    slope, intercept = 1.0, 0.0
    if method != "none":
        # The slope is looked for in units of the logits' own size, so that the optimiser is well conditioned.
        size = max(float(np.sqrt(np.mean(logits**2))), 1e-12)
        free = [(0.0, _LARGEST_SLOPE), (None, None) if method == "platt" else (0.0, 0.0)]
        found = optimize.minimize(
            _loss_and_gradient,
            (1.0, 0.0),
            args=(logits / size, targets),
            jac=True,
            method="L-BFGS-B",
            bounds=free,
            options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
        )
        gradient = found.jac if method == "platt" else found.jac[:1]
        if not found.success and found.x[0] > 0 and np.max(np.abs(gradient)) > _FLAT:
            raise InternalFault("The calibration did not converge.", "Report this.", str(found.message))
        slope, intercept = float(found.x[0]) / size, float(found.x[1])
    covariance = _covariance(logits, slope, intercept)
    return Calibration(method, slope, intercept, covariance, labels.size if patients is None else patients)


def _loss_and_gradient(parameters: Floats, logits: Floats, targets: Floats) -> tuple[float, Floats]:
    z = parameters[0] * logits + parameters[1]
    # -(t log p + (1 - t) log (1 - p)) without overflow.
    loss = np.mean(np.logaddexp(0.0, z) - targets * z)
    wrong = special.expit(z) - targets
    return float(loss), np.array([np.mean(wrong * logits), np.mean(wrong)])


def _covariance(logits: Floats, slope: float, intercept: float) -> tuple[float, float, float]:
    """Return the inverse Fisher information of slope and intercept; of the intercept alone where all logits agree."""
    p = special.expit(slope * logits + intercept)
    weight = np.maximum(p * (1 - p), 1e-6)
    information = np.array(
        [[np.sum(weight * logits**2), np.sum(weight * logits)], [np.sum(weight * logits), np.sum(weight)]]
    )
    if np.ptp(logits) == 0:
        return 0.0, 0.0, 1.0 / float(information[1, 1])
    inverse = np.linalg.inv(information)
    return float(inverse[0, 0]), float(inverse[0, 1]), float(inverse[1, 1])


def _held_out_losses(labels: NDArray[np.int64], logits: Floats, fold: Folds) -> dict[Method, float]:
    losses: dict[Method, float] = {}
    for method in METHODS:
        held_out = np.empty(logits.size)
        for number in np.unique(fold):
            out = fold == number
            held_out[out] = fit_method(method, labels[~out], logits[~out]).logit(logits[out])
        losses[method] = log_loss(labels, held_out)
    return losses


def _best(losses: dict[Method, float]) -> Method:
    # `min` keeps the first of equals, and the methods stand from simple to rich; the optimiser's last digits are no
    # difference.
    return min(METHODS, key=lambda method: round(losses[method], 9))
