"""The figures of a two-by-two table: accuracy, sensitivity, specificity, precision and their kin, from counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.figure import LEVEL, Figure


@dataclass(frozen=True)
class Confusion:
    """Counts of right and wrong yes/no predictions; every figure is `None` where its denominator is 0.

    Raises `UserError` for a negative count.
    """

    true_positives: int
    false_negatives: int
    true_negatives: int
    false_positives: int

    def __post_init__(self) -> None:
        counts = (self.true_positives, self.false_negatives, self.true_negatives, self.false_positives)
        if min(counts) < 0:
            raise UserError("A count of patients is negative.", "Give counts of 0 or more.")

    @property
    def positives(self) -> int:
        """How many cases had the event."""
        return self.true_positives + self.false_negatives

    @property
    def negatives(self) -> int:
        """How many cases did not have the event."""
        return self.true_negatives + self.false_positives

    @property
    def total(self) -> int:
        """How many cases there are."""
        return self.positives + self.negatives

    def shares(self) -> dict[str, tuple[int, int]]:
        """Return every figure that is a share of cases, as (counted, out of)."""
        tp, tn = self.true_positives, self.true_negatives
        return {
            "accuracy": (tp + tn, self.total),
            "sensitivity": (tp, self.positives),
            "specificity": (tn, self.negatives),
            "precision": (tp, tp + self.false_positives),
            "negative_predictive_value": (tn, tn + self.false_negatives),
        }

    def figures(self) -> dict[str, float | None]:
        """Return the shares, `f1` = 2 TP / (2 TP + FP + FN) and `balanced_accuracy`."""
        values = {name: _ratio(*share) for name, share in self.shares().items()}
        wrong = self.false_positives + self.false_negatives
        values["f1"] = _ratio(2 * self.true_positives, 2 * self.true_positives + wrong)
        sensitivity, specificity = values["sensitivity"], values["specificity"]
        both = sensitivity is not None and specificity is not None
        values["balanced_accuracy"] = (sensitivity + specificity) / 2 if both else None  # type: ignore[operator]
        return values


def confusion(labels: ArrayLike, predicted: ArrayLike) -> Confusion:
    """Count `labels` `(n,)` against `predicted` `(n,)`, both 0/1 or booleans."""
    truth, said = np.asarray(labels).astype(bool), np.asarray(predicted).astype(bool)
    return Confusion(
        int(np.sum(truth & said)), int(np.sum(truth & ~said)), int(np.sum(~truth & ~said)), int(np.sum(~truth & said))
    )


def share_figure(counted: int, out_of: int) -> Figure:
    """Return a share of patients with Wilson's 95 % interval, which has a width at 0 and 1 too."""
    if out_of == 0:
        return Figure(None, None, None, 0, 0, "wilson")
    interval = stats.binomtest(counted, out_of).proportion_ci(LEVEL, method="wilson")
    return Figure(counted / out_of, float(interval.low), float(interval.high), out_of, out_of, "wilson")


def _ratio(counted: int, out_of: int) -> float | None:
    return counted / out_of if out_of else None
