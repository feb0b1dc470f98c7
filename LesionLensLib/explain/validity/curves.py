"""Deletion and insertion: does the answer go as fast as it should when what a map marks goes, and come as fast with it?

Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018, section 4.1. The image
is deleted, and built up on its blank, cube by cube in the order of the map; single voxels in the order of a map would
make a pattern that no network has seen. Deleting in random order is the baseline that a map has to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from LesionLensLib.explain.layers.placement import Triple
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import OutputReadout
from LesionLensLib.explain.validity.pieces import Pieces, blank_of, mixed
from LesionLensLib.explain.validity.similarity import Map
from LesionLensLib.inference.ladder import Tell
from LesionLensLib.outcome.outcomes import Floats

SMALLEST_SPAN = 0.02
"""Where whole and blank image differ by less in probability, or by less of an output, there is nothing to take away."""


@dataclass(frozen=True)
class CurveSettings:
    """How finely the curves are drawn: passes per network are `steps` * (2 + `random_orders`) + 2, here 62.

    `cube` is the size of the pieces in voxels (D, H, W), None for about a twelfth of each side; `blank` is one of
    `pieces.BLANKS`. `outlines` are the channels that are masks: they stay.
    """

    steps: int = 12
    random_orders: int = 3
    cube: Triple | None = None
    blank: str = "mean"
    outlines: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Curves:
    """What is kept of the answer (steps + 1,) at even shares of deleted or inserted cubes, and the areas under that.

    The answer counts from 0, that of the blank image, to 1, that of the whole one. (RISE takes the probability of the
    predicted class as it is, which rises when a map of an undecided answer is deleted.) `random_aucs` are the areas of
    random orders, which serve deletion and insertion alike: building up in one order is deleting in the reverse one.
    `comparable` is false where the blank image has nearly the same answer.
    """

    deletion: Floats
    insertion: Floats
    random_aucs: Floats
    comparable: bool = True

    @property
    def deletion_auc(self) -> float:
        """The area under the deletion curve: the lower, the better the map."""
        return area(self.deletion)

    @property
    def insertion_auc(self) -> float:
        """The area under the insertion curve: the higher, the better the map."""
        return area(self.insertion)

    @property
    def random_auc(self) -> float:
        """The mean area for random orders."""
        return float(self.random_aucs.mean())

    @property
    def text(self) -> str:
        """One sentence for people."""
        if not self.comparable:
            return "The blank image has nearly the same answer, so that deleting what the map marks shows nothing."
        figures = f"areas {self.deletion_auc:.2f} and {self.insertion_auc:.2f}, at random {self.random_auc:.2f}"
        faster = self.deletion_auc < self.random_aucs.min(), self.insertion_auc > self.random_aucs.max()
        if all(faster):
            return f"Deleting what the map marks takes the answer away, and inserting it brings it back ({figures})."
        if not any(faster):
            return f"Deleting what the map marks does no more than deleting at random ({figures}): do not rely on it."
        way = "Deleting" if faster[0] else "Inserting"
        return f"{way} what the map marks moves the answer more than chance does, the other way round not ({figures})."


def area(curve: Floats) -> float:
    """Return the area under a curve drawn at even steps from 0 to 1 (trapezoids)."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))


def draw_curves(
    question: Question,
    values: Map,
    signed: bool = False,
    settings: CurveSettings | None = None,
    tell: Tell | None = None,
) -> Curves:
    """Return the curves of a map `values` (D, H, W) of `question`.

    Of a `signed` map the voxels come first that raise the answer, where the whole image has a higher one than the
    blank, else those that lower it; of any other the highest. Raises `ValueError` for a map that does not fit the image
    or is not finite.
    """
    if values.shape != question.grid.shape or not np.isfinite(values).all():
        raise ValueError(f"a map {values.shape} is no map of an image {question.grid.shape}")
    settings = settings or CurveSettings()
    run = _Run(question, settings, tell)
    order = run.pieces.ranked(np.asarray(values) * (run.direction if signed else 1.0), run.rng)
    deletion, insertion = run.deleted(order), run.deleted(order[::-1])[::-1]
    random = [area(run.deleted(run.rng.permutation(run.pieces.count))) for _ in range(settings.random_orders)]
    return Curves(deletion, insertion, np.array(random), run.comparable)


class _Run:
    """The image, its blank and their answers, and what is kept of the answer in between."""

    def __init__(self, question: Question, settings: CurveSettings, tell: Tell | None) -> None:
        self.question, self.settings, self.tell = question, settings, tell
        self.rng = np.random.default_rng(settings.seed)
        self.pieces = Pieces.of(question.grid.shape, settings.cube)
        self.blank = blank_of(question.image, settings.blank, settings.outlines)
        self.whole_answer, self.blank_answer = question.answer, float(question.answers(self.blank)[0])
        self.span = self.whole_answer - self.blank_answer
        self.direction = -1.0 if self.span < 0 else 1.0
        is_output = isinstance(question.readout, OutputReadout)
        unit = max(abs(self.whole_answer), abs(self.blank_answer)) if is_output else 1.0
        self.comparable = abs(self.span) > SMALLEST_SPAN * unit
        self.passes, self.total = 0, settings.steps * (2 + settings.random_orders)

    def deleted(self, order: NDArray[np.intp]) -> Floats:
        """Return what is kept when growing shares of `order` are deleted, from none to all."""
        shares = np.linspace(0, len(order), self.settings.steps + 1).round().astype(int)
        return np.array([self._kept(order[:share], share in (0, len(order))) for share in shares])

    def _kept(self, cubes: NDArray[np.intp], is_end: bool) -> float:
        if is_end:
            answer = self.blank_answer if len(cubes) else self.whole_answer
        else:
            answer = float(self.question.answers(self._without(cubes))[0])
            self.passes += 1
            if self.tell is not None:
                self.tell(self.passes / self.total, "deleting and inserting what the map marks")
        return (answer - self.blank_answer) / self.span if self.comparable else 0.0

    def _without(self, cubes: NDArray[np.intp]) -> Tensor:
        return mixed(self.question.image, self.blank, self.pieces.voxels(cubes))


def outline_channels(roles: Sequence[str], mask_role: str = "lesion") -> tuple[int, ...]:
    """Return the numbers of the channels that are masks."""
    return tuple(number for number, role in enumerate(roles) if role == mask_role)
