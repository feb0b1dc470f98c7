"""What evaluates occluded images of one network: the reference loop, or a method that recomputes only what changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from LesionLensLib.explain.occlusion.cubes import Starts
from LesionLensLib.outcome.outcomes import Floats

Channels = tuple[int, ...]


class Unsupported(Exception):
    """A network that cannot be evaluated in parts; the message says why, for people."""


class Occluder(Protocol):
    """One network, one image, cubes of one size; prepared once, then asked from several threads."""

    base: float
    """The network's score of the image as it is, computed as those of the occluded images are."""

    def batches(self, starts: Starts) -> list[Starts]:
        """Return how the cubes at `starts` (n, 3) are best asked for: their numbers, 0 to n - 1, in portions."""

    def scores(self, starts: Starts, subsets: Sequence[Channels]) -> Floats:
        """Return the score (S, B) with each cube at `starts` (B, 3) occluded in the channels of each of S subsets."""


def portions(numbers: Starts, size: int) -> list[Starts]:
    """Cut `numbers` (n,) into runs of at most `size`."""
    return np.array_split(numbers, range(max(1, size), len(numbers), max(1, size)))
