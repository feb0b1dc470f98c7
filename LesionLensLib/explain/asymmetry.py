"""Does a network that measures both sides look at both? The asymmetry check of SMOCAM's poster.

Konate et al., ISBI 2021 (poster): in a patient whose hippocampi differed by 1.12 cm3 the network saw a difference of
0.10 cm3, and its masks showed why. Two questions are asked here, and answered in numbers and in one sentence each:
does the predicted difference of left and right follow the measured one, compared with the training set; and on which
side do the maps of the left and of the right answer lie? Differences are left less right.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.hemispheres import SideLoads, side_of
from LesionLensLib.regression_card import RegressionCard, SideDifferences

CLEAR_SHARE = 0.6
"""The share of a map's energy from which it counts as lying on one side; a map without a side has 0.5."""

ERRORS_APART = 2.0
"""How many of the model's own errors a difference may be missed by."""

OWN_SIDES, ONE_SIDE, UNDECIDED = "own sides", "one side", "undecided"
WRONG_SIDES, NO_MAP = "wrong sides", "no map"
_DIGITS = 4


@dataclass(frozen=True)
class Asymmetry:
    """Left less right of one patient, measured and predicted, in `unit`, and where it lies in the training set.

    The percentiles say how many of 100 training cases have a smaller difference, the measured one among the true, the
    predicted one among the predicted. `tolerance` is how far prediction and measurement may lie apart. What was not
    measured is None.
    """

    measured: float | None
    predicted: float
    measured_percentile: float | None
    predicted_percentile: float
    tolerance: float
    unit: str

    @property
    def follows(self) -> bool | None:
        """Whether the network sees the difference that was measured, as well as it sees any; None for none."""
        return None if self.measured is None else abs(self.measured - self.predicted) <= self.tolerance

    @property
    def text(self) -> str:
        """One sentence for people."""
        predicted = f"{self.predicted:+.1f} {self.unit} as predicted"
        if self.measured is None:
            return (
                f"Left less right is {predicted} (percentile {self.predicted_percentile:.0f} of what it predicts for "
                f"the training cases); a mask of all lesions would tell what it really is."
            )
        numbers = (
            f"Left less right is {self.measured:+.1f} {self.unit} as measured (percentile "
            f"{self.measured_percentile:.0f} of the training cases) and {predicted} "
            f"(percentile {self.predicted_percentile:.0f})"
        )
        if self.follows:
            return f"{numbers}: the network follows the difference within {self.tolerance:.1f} {self.unit}."
        return f"{numbers}: the network does not follow the difference; look at which side its maps lie on."

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values for the report."""
        numbers = {name: round(n, _DIGITS) if isinstance(n, float) else n for name, n in asdict(self).items()}
        return {**numbers, "follows": self.follows, "text": self.text}


@dataclass(frozen=True)
class SideShares:
    """The share of a map's energy (sum of squares) on the patient's left and right; they add up to 1."""

    left: float
    right: float


@dataclass(frozen=True)
class SideVerdict:
    """On which side the maps for the left and for the right answer lie; `kind` is one of the five names above.

    The shares of a map that is 0 everywhere are None.
    """

    kind: str
    for_left: SideShares | None
    for_right: SideShares | None

    @property
    def is_wrong(self) -> bool:
        """Whether one answer is not looked for where it is."""
        return self.kind in (ONE_SIDE, WRONG_SIDES)

    @property
    def text(self) -> str:
        """One sentence for people."""
        if self.for_left is None or self.for_right is None:
            empty = [name for name, one in (("left", self.for_left), ("right", self.for_right)) if one is None]
            return f"The map for the {' and that for the '.join(empty)} is 0 everywhere: it tells no side."
        if self.kind == OWN_SIDES:
            return (
                f"The network looks at the left for the left ({self.for_left.left:.0%} of the map) and at the right "
                f"for the right ({self.for_right.right:.0%})."
            )
        if self.kind == ONE_SIDE:
            side, other = ("left", "right") if self.for_left.left >= CLEAR_SHARE else ("right", "left")
            first, second = (getattr(shares, side) for shares in (self.for_left, self.for_right))
            return (
                f"The network looks at the {side} for both answers ({first:.0%} and {second:.0%} of the maps): what it "
                f"says of the {other} does not come from there."
            )
        if self.kind == WRONG_SIDES:
            return "The network looks at the right for the left and at the left for the right: check the orientation."
        return (
            f"The maps lie on both sides ({self.for_left.left:.0%} on the left for the left, "
            f"{self.for_right.right:.0%} on the right for the right): they do not tell which side an answer comes from."
        )


def check_asymmetry(regression: RegressionCard, measured: SideLoads | None, predicted: SideLoads) -> Asymmetry:
    """Compare one patient's measured loads (from a segmentation) with the predicted ones and with the training set.

    Where nothing was measured the predicted difference is compared with the training set alone.

    The tolerance is two of the model's errors of a difference on patients held out; without stated errors, a quarter of
    the spread (10th to 90th percentile) of the training set. Raises `ValueError` for a model without differences.
    """
    differences = regression.differences
    if differences is None:
        raise ValueError("this model does not tell sides apart")
    outputs = [regression.outputs[regression.index_of(name)] for name in (differences.left, differences.right)]
    left_error, right_error = (output.error for output in outputs)
    if left_error is not None and right_error is not None:
        tolerance = ERRORS_APART * math.hypot(left_error, right_error)
    else:
        low, high = np.quantile(differences.truth, (0.1, 0.9))
        tolerance = float(high - low) / 4
    difference = None if measured is None else measured.difference_ml
    return Asymmetry(
        difference,
        predicted.difference_ml,
        None if difference is None else percentile(difference, differences.truth),
        percentile(predicted.difference_ml, differences.predicted),
        tolerance,
        outputs[0].unit,
    )


def percentile(value: float, quantiles: tuple[float, ...]) -> float:
    """Return where `value` lies among evenly spaced quantiles, 0 to 100; of equal ones, in their middle."""
    percents = np.linspace(0, 100, len(quantiles))
    below, up_to = np.searchsorted(quantiles, value, "left"), np.searchsorted(quantiles, value, "right")
    if up_to > below:
        return float(percents[below] + percents[up_to - 1]) / 2
    return float(np.interp(value, quantiles, percents))


def difference_table(differences: SideDifferences) -> list[tuple[float, float, float]]:
    """Return rows (percent, true, predicted) of the training set's differences, for a table and its plot."""
    percents = np.linspace(0, 100, len(differences.truth)).tolist()
    return list(zip(percents, differences.truth, differences.predicted, strict=True))


def side_shares(impact: Volume, midline_r_mm: float) -> SideShares:
    """Return on which side of the plane at R = `midline_r_mm` the energy of a map lies, on any grid.

    Raises `ValueError` for a map that is not finite or 0 everywhere.
    """
    energy = np.square(impact.array.astype(np.float64))
    total = float(energy.sum())
    if not np.isfinite(total) or total <= 0:
        raise ValueError("a map must be finite and must not be 0 everywhere")
    left = float((energy * side_of(impact.grid, midline_r_mm)).sum()) / total
    return SideShares(left, 1 - left)


def judge_sides(for_left: Volume, for_right: Volume, midline_r_mm: float) -> SideVerdict:
    """Judge from the maps for the left and for the right answer where the network looks for each."""
    left, right = (side_shares(each, midline_r_mm) if each.array.any() else None for each in (for_left, for_right))
    if left is None or right is None:
        return SideVerdict(NO_MAP, left, right)
    kinds = {("L", "R"): OWN_SIDES, ("R", "L"): WRONG_SIDES, ("L", "L"): ONE_SIDE, ("R", "R"): ONE_SIDE}
    return SideVerdict(kinds.get((_clear_side(left), _clear_side(right)), UNDECIDED), left, right)


def _clear_side(shares: SideShares) -> str:
    return "L" if shares.left >= CLEAR_SHARE else "R" if shares.right >= CLEAR_SHARE else ""
