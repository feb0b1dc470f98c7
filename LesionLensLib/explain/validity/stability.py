"""Does a map stay the same when a choice of its maker changes: the size of the cubes, the seed of the training?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from LesionLensLib.explain.question import Question
from LesionLensLib.explain.validity.similarity import MakeMap, Map, rank_correlation, top_dice

STABLE, UNSTABLE = 0.8, 0.5


@dataclass(frozen=True)
class Likeness:
    """How alike a map and one of its variants are: rank correlation of |map|, Dice of the strongest tenths."""

    correlation: float
    dice: float


@dataclass(frozen=True)
class Stability:
    """The likeness of the map to every variant by name; `value` is the mean rank correlation."""

    variants: Mapping[str, Likeness]

    @property
    def value(self) -> float:
        """The mean rank correlation."""
        return float(np.mean([each.correlation for each in self.variants.values()]))

    @property
    def dice(self) -> float:
        """The mean Dice of the strongest tenths."""
        return float(np.mean([each.dice for each in self.variants.values()]))

    @property
    def text(self) -> str:
        """One sentence for people."""
        weakest = min(self.variants, key=lambda name: self.variants[name].correlation)
        low = self.variants[weakest].correlation
        figures = f"mean rank correlation {self.value:.2f}, lowest {low:.2f} with {weakest}"
        if self.value >= STABLE:
            return f"The map stays the same under other choices ({figures})."
        if self.value >= UNSTABLE:
            return f"The main parts of the map stay under other choices, its details do not ({figures})."
        return f"The map changes with choices that should not matter ({figures}): do not rely on it."


def stability(values: Map, variants: Mapping[str, Map]) -> Stability:
    """Compare the map `values` (D, H, W) with its variants; raises `ValueError` where there is none."""
    if not variants:
        raise ValueError("stability is judged by at least one variant of the map")
    likeness = {name: Likeness(rank_correlation(values, own), top_dice(values, own)) for name, own in variants.items()}
    return Stability(likeness)


def maps_of_single_networks(question: Question, make_map: MakeMap, most: int = 3) -> dict[str, Map]:
    """Return the maps that single networks of an ensemble give, `most` at most: trained with other seeds or patients.

    Empty for a single network, which has nothing to be compared with.
    """
    if len(question.networks) < 2:
        return {}
    singles = enumerate(question.networks[:most], start=1)
    return {f"network {n}": make_map(replace(question, networks=(network,))) for n, network in singles}
