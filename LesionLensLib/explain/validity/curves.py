"""Deletion and insertion: does the answer go as fast as it should when what a map marks goes, and come as fast with it?

Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018, section 4.1: the area
under the probability of the class that is explained, by trapezoids. The image is deleted, and built up on its blank,
cube by cube in the order of the map; single voxels in the order of a map would make a pattern that no network has seen.
Deleting in random order is the baseline that a map has to beat.

RISE explains the class that the network names. The class here is the one towards which the image moves the answer from
that of its blank: of an event that the image makes less probable the curves are those of no event. Low areas of
deletion and high ones of insertion then speak for a map in either case.
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
    """The answer (steps + 1,) at even shares of deleted or inserted cubes, and the areas under that.

    A probability that the image lowers is `reversed`: then the curves are of 1 - answer. An output of a regression is
    taken as it is, in its own unit. `random_aucs` are the areas of random orders, which serve deletion and insertion
    alike: building up in one order is deleting in the reverse one. `comparable` is false where the blank image has
    nearly the same answer.
    """

    deletion: Floats
    insertion: Floats
    random_aucs: Floats
    comparable: bool = True
    reversed: bool = False

    @property
    def deletion_auc(self) -> float:
        """The area under the deletion curve, of a probability from 0 to 1: the lower, the better the map."""
        return area(self.deletion)

    @property
    def insertion_auc(self) -> float:
        """The area under the insertion curve, of a probability from 0 to 1: the higher, the better the map."""
        return area(self.insertion)

    @property
    def random_auc(self) -> float:
        """The mean area for random orders."""
        return float(self.random_aucs.mean())

    def kept(self, area_under: Floats | float) -> Floats:
        """Return an area counted from the blank image's answer, 0, to the whole one's, 1.

        Areas of different images can be compared so. It leaves 0 to 1 where the answer overshoots both on the way.
        Raises `ValueError` where the two answers are nearly the same.
        """
        if not self.comparable:
            raise ValueError("nothing can be counted between two equal answers")
        whole, blank = self.deletion[0], self.deletion[-1]
        counted: Floats = (np.asarray(area_under) - blank) / (whole - blank)
        return counted

    @property
    def text(self) -> str:
        """One sentence for people."""
        if not self.comparable:
            return "The blank image has nearly the same answer, so that deleting what the map marks shows nothing."
        figures = f"areas {self.deletion_auc:.2f} and {self.insertion_auc:.2f}, at random {self.random_auc:.2f}"
        figures += ", under 1 minus the answer" if self.reversed else ""
        at_random = self.kept(self.random_aucs)
        faster = self.kept(self.deletion_auc) < at_random.min(), self.kept(self.insertion_auc) > at_random.max()
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
    return Curves(deletion, insertion, np.array(random), run.comparable, run.is_reversed)


class _Run:
    """The image, its blank and their answers, and the answers in between."""

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
        self.is_reversed = self.span < 0 and not is_output
        self.passes, self.total = 0, settings.steps * (2 + settings.random_orders)

    def deleted(self, order: NDArray[np.intp]) -> Floats:
        """Return the answer, or 1 less it, when growing shares of `order` are deleted, from none to all."""
        shares = np.linspace(0, len(order), self.settings.steps + 1).round().astype(int)
        answers = np.array([self._answer(order[:share], share in (0, len(order))) for share in shares])
        return 1 - answers if self.is_reversed else answers

    def _answer(self, cubes: NDArray[np.intp], is_end: bool) -> float:
        if is_end:
            return self.blank_answer if len(cubes) else self.whole_answer
        answer = float(self.question.answers(self._without(cubes))[0])
        self.passes += 1
        if self.tell is not None:
            self.tell(self.passes / self.total, "deleting and inserting what the map marks")
        return answer

    def _without(self, cubes: NDArray[np.intp]) -> Tensor:
        return mixed(self.question.image, self.blank, self.pieces.voxels(cubes))


def outline_channels(roles: Sequence[str], mask_role: str = "lesion") -> tuple[int, ...]:
    """Return the numbers of the channels that are masks."""
    return tuple(number for number, role in enumerate(roles) if role == mask_role)
