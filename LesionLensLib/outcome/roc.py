"""The ROC curve, the area under it with its interval, and the comparison of two models on the same patients.

Sources: DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988), by midranks as Sun and Xu, IEEE Signal Processing Letters
21 (2014); Newcombe, Statistics in Medicine 25 (2006), method 5, for areas of exactly 0 or 1.

Out-of-fold scores of a cross-validation are treated as if one model had made them; that the models of the folds share
training patients is not in these intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.bootstrap import REPEATS, bootstrap_interval
from LesionLensLib.outcome.figure import LEVEL, Figure
from LesionLensLib.outcome.outcomes import Floats, Indices, Outcomes

_Z = float(stats.norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Points `(m,)` of the curve from (0, 0) to (1, 1): positive are scores of at least `thresholds`."""

    thresholds: Floats
    false_positive_rate: Floats
    true_positive_rate: Floats

    def youden_threshold(self) -> float:
        """Return the threshold with the largest sensitivity + specificity - 1; the highest of several."""
        return float(self.thresholds[1:][np.argmax((self.true_positive_rate - self.false_positive_rate)[1:])])


@dataclass(frozen=True)
class AucComparison:
    """The area of the first model minus that of the second, with its 95 % interval and two-sided p value.

    `p_value` is `None` where the test is not defined: no spread between the models, or several cases a patient.
    """

    difference: Figure
    p_value: float | None


def roc_curve(outcomes: Outcomes) -> RocCurve | None:
    """Return the curve with one point a distinct score, or `None` where one outcome is missing."""
    positives = int(outcomes.labels.sum())
    if positives in (0, outcomes.cases):
        return None
    order = np.argsort(-outcomes.scores, kind="stable")
    scores, labels = outcomes.scores[order], outcomes.labels[order]
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    hits = np.cumsum(labels)[last]
    return RocCurve(
        np.concatenate([[np.inf], scores[last]]),
        np.concatenate([[0.0], (last + 1 - hits) / (outcomes.cases - positives)]),
        np.concatenate([[0.0], hits / positives]),
    )


def auc(labels: NDArray[np.int64], scores: Floats) -> float | None:
    """Return the chance that a positive case scores above a negative one, ties counting half; `None` without both."""
    positives = int(labels.sum())
    negatives = labels.size - positives
    if positives == 0 or negatives == 0:
        return None
    ranks = stats.rankdata(scores)[labels == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def delong(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Return the areas `(m,)` of m models and their covariance `(m, m)`; `scores` is `(m, n)`, `labels` `(n,)`.

    Raises `UserError` with fewer than two cases of either outcome, which have no variance.
    """
    truth, said = np.asarray(labels).astype(bool), np.atleast_2d(np.asarray(scores, dtype=np.float64))
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if min(positives, negatives) < 2:
        raise UserError("DeLong's interval needs two cases of each outcome.", "Give more cases, or use the bootstrap.")
    ranks = stats.rankdata(said, axis=1)
    above = (ranks[:, truth] - stats.rankdata(said[:, truth], axis=1)) / negatives
    below = 1.0 - (ranks[:, ~truth] - stats.rankdata(said[:, ~truth], axis=1)) / positives
    covariance = np.atleast_2d(np.cov(above)) / positives + np.atleast_2d(np.cov(below)) / negatives
    return above.mean(axis=1), covariance


def auc_figure(outcomes: Outcomes, repeats: int = REPEATS, seed: int = 0) -> Figure:
    """Return the area with DeLong's interval; by bootstrap over patients where patients have several cases.

    At an area of 0 or 1 DeLong and the bootstrap both give an interval without width, which a handful of patients does
    not earn: Newcombe's score interval stands there.
    """
    value, groups = auc(outcomes.labels, outcomes.scores), outcomes.groups
    patients, cases = len(groups), outcomes.cases
    if value is None:
        return Figure(None, None, None, patients, cases, "delong")
    positives = int(outcomes.labels.sum())
    if value in (0.0, 1.0) or min(positives, cases - positives) < 2:
        units = [outcomes.count_patients(outcomes.labels == outcome) for outcome in (1, 0)]
        return Figure(value, *newcombe_interval(value, *units), patients, cases, "newcombe")
    if not outcomes.independent:
        low, high = bootstrap_interval(groups, lambda drawn: _auc_of(outcomes, drawn), repeats, seed)
        return Figure(value, low, high, patients, cases, "bootstrap")
    half = _Z * math.sqrt(float(delong(outcomes.labels, outcomes.scores)[1][0, 0]))
    return Figure(value, max(0.0, value - half), min(1.0, value + half), patients, cases, "delong")


def compare_aucs(first: Outcomes, second: Outcomes, repeats: int = REPEATS, seed: int = 0) -> AucComparison:
    """Compare two models on the same cases in the same order by DeLong's paired test.

    Where patients have several cases the interval is a bootstrap over patients and there is no p value. Raises
    `UserError` where the cases differ.
    """
    if first.patients != second.patients or not np.array_equal(first.labels, second.labels):
        raise UserError("The two models were judged on different cases.", "Compare them on the same cases and order.")
    groups, cases = first.groups, first.cases
    if auc(first.labels, first.scores) is None:
        return AucComparison(Figure(None, None, None, len(groups), cases, "delong"), None)
    positives = int(first.labels.sum())
    if not first.independent or min(positives, cases - positives) < 2:
        return AucComparison(_bootstrap_difference(first, second, repeats, seed), None)
    areas, covariance = delong(first.labels, np.stack([first.scores, second.scores]))
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    # Identical rankings leave rounding errors of 1e-18.
    deviation = math.sqrt(variance) if variance > 1e-12 else 0.0
    half = _Z * deviation
    figure = Figure(difference, difference - half, difference + half, len(groups), cases, "delong")
    return AucComparison(figure, float(2 * stats.norm.sf(abs(difference) / deviation)) if deviation else None)


def _bootstrap_difference(first: Outcomes, second: Outcomes, repeats: int, seed: int) -> Figure:
    def difference(drawn: Indices) -> float | None:
        ours, theirs = _auc_of(first, drawn), _auc_of(second, drawn)
        return None if ours is None or theirs is None else ours - theirs

    low, high = bootstrap_interval(first.groups, difference, repeats, seed)
    return Figure(
        difference(np.arange(first.cases, dtype=np.intp)), low, high, len(first.groups), first.cases, "bootstrap"
    )


def _auc_of(outcomes: Outcomes, drawn: Indices) -> float | None:
    return auc(outcomes.labels[drawn], outcomes.scores[drawn])


def newcombe_interval(value: float, positives: int, negatives: int) -> tuple[float, float]:
    """Return the 95 % interval of an area alone (Newcombe, method 5): those from which it is 1.96 standard errors away.

    `positives` and `negatives` are the cases behind `value`, taken to be independent.
    """
    share = (positives + negatives) / 2 - 1

    def excess(area: float) -> float:
        factor = 1 + share * (1 - area) / (2 - area) + share * area / (1 + area)
        return (value - area) ** 2 - _Z**2 * area * (1 - area) * factor / (positives * negatives)

    low = 0.0 if value == 0 else float(optimize.brentq(excess, 0.0, value - 1e-9))
    high = 1.0 if value == 1 else float(optimize.brentq(excess, value + 1e-9, 1.0))
    return low, high
