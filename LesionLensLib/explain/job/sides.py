"""The poster's question of two sides: where does the network look for the left answer, and where for the right one?

Konate et al., ISBI 2021 (poster), explain each hippocampus by a mask of its own. The method that was asked for is run
for both answers, and `explain.asymmetry` judges the maps and the difference of the answers.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from LesionLensLib.explain.asymmetry import (
    Asymmetry,
    SideShares,
    SideVerdict,
    check_asymmetry,
    difference_table,
    judge_sides,
)
from LesionLensLib.explain.job.begun import Begun, TwoSides
from LesionLensLib.explain.job.explanation import Explanation, MapArray
from LesionLensLib.explain.job.methods import METHODS
from LesionLensLib.explain.job.regression import name_of
from LesionLensLib.explain.readout import OutputReadout
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.ladder import Tell
from LesionLensLib.inputs import Finding
from LesionLensLib.regression_card import RegressionOutput, SideDifferences

SIDED_METHODS = ("occlusion", "smocam")
"""Those whose map tells where an answer comes from.

Grad-CAM is none of them: it gives a channel one weight for all places, and a network that tells sides apart does so by
the weights of places behind the flattening. Seen with an honest network: 12 % and 14 % of its maps on the left, for
the left and for the right answer.
"""

SIDES_FILE, DIFFERENCES_FILE = "sides.csv", "differences.csv"
SIDES_COLUMNS = ("output", "value_ml", "measured_ml", "left_share", "right_share")
DIFFERENCE_COLUMNS = ("percent", "true", "predicted")
_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two answers: its output, its number and the measured one, its map (D, H, W) and where that lies.

    There is no map by methods that cannot tell where an answer comes from.
    """

    output: RegressionOutput
    value: float
    measured: float | None
    values: MapArray | None = None
    shares: SideShares | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values for the report; the shares are of the map's energy (sum of squares)."""
        shares = None if self.shares is None else {n: round(v, _DIGITS) for n, v in asdict(self.shares).items()}
        measured = None if self.measured is None else round(self.measured, _DIGITS)
        return {"value_ml": round(self.value, _DIGITS), "measured_ml": measured, "share_of_map": shares}


@dataclass(frozen=True, eq=False)
class SidesFound:
    """Both answers, the left one first, what their maps say together, if there are any, and how far the two differ."""

    sides: tuple[Side, Side]
    verdict: SideVerdict | None
    asymmetry: Asymmetry
    differences: SideDifferences

    @property
    def maps(self) -> Mapping[str, MapArray]:
        """The maps (D, H, W) by the name of the output."""
        return {side.output.name: side.values for side in self.sides if side.values is not None}

    @property
    def faint(self) -> tuple[Side, ...]:
        """The answers that lie within the model's own error of nothing: their maps show little but that error."""
        return tuple(side for side in self.sides if side.output.error is not None and side.value <= side.output.error)

    @property
    def text(self) -> str:
        """What the maps say of the two answers, for people."""
        if self.verdict is None:
            return ""
        names = " and ".join(name_of(side.output) for side in self.faint)
        doubt = f" But the {names} is within the model's error of nothing, and such a map says little." if names else ""
        return f"{self.verdict.text}{doubt}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields `asymmetry` and, where there are maps of both answers, `sides` of the report's result."""
        asymmetry = {"asymmetry": {"cases": self.differences.cases, **self.asymmetry.to_dict()}}
        if self.verdict is None:
            return asymmetry
        named = {side.output.name: side.to_dict() for side in self.sides}
        return {"sides": {**named, "verdict": self.verdict.kind, "text": self.text}, **asymmetry}

    def write(self, folder: Path) -> None:
        """Write the table of the sides, and the differences of the training set, which the scene draws."""
        with (folder / SIDES_FILE).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            rows = [_row(side) for side in self.sides]
            columns = [name for name in SIDES_COLUMNS if any(row[name] for row in rows)]  # not all has a number always
            writer.writerow(columns)
            writer.writerows([row[name] for name in columns] for row in rows)
        with (folder / DIFFERENCES_FILE).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(DIFFERENCE_COLUMNS)
            writer.writerows([f"{n:.6g}" for n in row] for row in difference_table(self.differences))


def find_sides(begun: Begun, found: Explanation, tell: Tell) -> SidesFound | None:
    """Return how far both answers differ, and their maps and what these tell by methods that can tell it.

    `found` is the map that was asked for, and is taken where it is that of a side. None for models that do not measure
    two sides.
    """
    sides = begun.sides
    if sides is None:
        return None
    differences = sides.regression.differences
    if differences is None:
        raise ValueError("two sides need the differences of the card")
    asymmetry = check_asymmetry(sides.regression, sides.measured, sides.predicted)
    both = _answers(sides, differences)
    if begun.job.method not in SIDED_METHODS:
        return SidesFound(both, None, asymmetry, differences)
    left, right = (
        _map_of(begun, sides.regression.index_of(side.output.name), found, _part(tell, number))
        for number, side in enumerate(both)
    )
    grid = begun.question.grid
    verdict = judge_sides(Volume(left, grid), Volume(right, grid), sides.midline_r_mm)
    both = (
        replace(both[0], values=left, shares=verdict.for_left),
        replace(both[1], values=right, shares=verdict.for_right),
    )
    return SidesFound(both, verdict, asymmetry, differences)


def side_findings(found: SidesFound | None) -> tuple[Finding, ...]:
    """Return what a user must see: a network that does not look where its answer is, and a difference that it misses.

    Where there is nothing on a side to look at, looking elsewhere is no fault.
    """
    if found is None:
        return ()
    warnings = []
    if found.verdict is not None and found.verdict.is_wrong:
        code = found.verdict.kind.replace(" ", "-")
        remedy = "Do not take the two answers for measures of the two sides."
        blamed = Finding("warning", code, found.text, remedy)
        warnings.append(Finding("info", code, found.text) if found.faint else blamed)
    if found.asymmetry.follows is False:
        warnings.append(Finding("warning", "difference-missed", found.asymmetry.text))
    return tuple(warnings)


def _map_of(begun: Begun, index: int, found: Explanation, tell: Tell) -> MapArray:
    readout = OutputReadout(index)
    if begun.question.readout == readout:
        return found.values
    job = replace(begun.job, per_channel=False, checks=False)
    asked = replace(begun, job=job, question=replace(begun.question, readout=readout))
    return METHODS[begun.job.method](asked, tell).values


def _answers(sides: TwoSides, differences: SideDifferences) -> tuple[Side, Side]:
    """Return both answers without maps."""
    regression = sides.regression
    left, right = (regression.outputs[regression.index_of(name)] for name in (differences.left, differences.right))
    measured = (None, None) if sides.measured is None else (sides.measured.left_ml, sides.measured.right_ml)
    return Side(left, sides.predicted.left_ml, measured[0]), Side(right, sides.predicted.right_ml, measured[1])


def _part(tell: Tell, number: int) -> Tell:
    return lambda share, text: tell((number + share) / 2, f"{('left', 'right')[number]}: {text}")


def _row(side: Side) -> dict[str, str]:
    shares = (None, None) if side.shares is None else (side.shares.left, side.shares.right)
    numbers = (side.value, side.measured, *shares)
    texts = ("" if number is None else f"{number:.6f}" for number in numbers)
    return dict(zip(SIDES_COLUMNS, (side.output.name, *texts), strict=True))
