"""Large cubes first, smaller ones only where the large ones matter.

A cube is cut into eight when the largest of its impacts, over the maps asked for, is at least a given share of the
largest at its level. What is not cut keeps its impact, shared equally among the smallest cubes in it: exact where the
network adds up what it sees, and of the right size elsewhere. A cube in which parts with opposite signs cancel is
overlooked; how much of the volume was never cut, and the largest impact left in one piece, say how far to trust it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.explain.occlusion.cubes import Cubes, Mask
from LesionLensLib.outcome.outcomes import Floats

ScalarT = TypeVar("ScalarT", bound=np.generic)
Impacts = Callable[[Cubes], Floats]
"""Returns the impacts (S, n) of the chosen cubes."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """How a map came about: the cubes evaluated at each level, the largest first, and what was never cut.

    `whole` (D, H, W) are the voxels of cubes that were not cut down to the smallest size, `largest_whole` is the
    largest impact of one of those, 0 where there is none.
    """

    cubes: tuple[int, ...]
    whole: Mask
    largest_whole: float


def refine(smallest: Cubes, halvings: int, cut_from: float, impacts: Impacts) -> tuple[Floats, Refinement]:
    """Return impacts (S, boxes along D, H, W) of all `smallest` cubes, which touch each other, and how they came about.

    `impacts` is asked once a level, for cubes of 2^halvings times the size first.
    """
    if smallest.size != smallest.stride:
        raise ValueError("cubes that overlap cannot be cut")
    boxes = smallest.chosen.shape
    cubes = _enlarged(smallest, 2**halvings)
    counts, largest_whole = [], 0.0
    result: Floats | float = 0.0
    whole = np.zeros(boxes, dtype=bool)
    for halving in reversed(range(halvings + 1)):
        factor = 2**halving
        found = np.stack([cubes.lattice(values) for values in impacts(cubes)])
        counts.append(cubes.count)
        strength = np.abs(found).max(0)
        cut = cubes.chosen & (strength > 0) & (strength >= cut_from * strength.max())
        kept = cubes.chosen & ~cut if halving else cubes.chosen
        members = _repeated(kept, boxes, factor) & smallest.chosen
        result = result + np.stack([_shared(values, smallest, factor) for values in found]) * members
        if halving:
            whole |= members
            largest_whole = max(largest_whole, float(strength[kept].max(initial=0.0)))
            cubes = _enlarged(smallest, factor // 2)
            cubes = replace(cubes, chosen=cubes.chosen & _repeated(cut, cubes.chosen.shape, 2))
        if not cubes.count:
            break
    return np.asarray(result), Refinement(tuple(counts), replace(smallest, chosen=whole).covered, largest_whole)


def _enlarged(smallest: Cubes, factor: int) -> Cubes:
    """Return cubes `factor` times as wide, chosen where one of the smallest within them is."""
    depth, height, width = (side * factor for side in smallest.size)
    size = (depth, height, width)
    cubes = Cubes.covering(smallest.shape, size, size)
    return replace(cubes, chosen=_members(smallest, cubes.chosen.shape, factor) > 0)


def _members(smallest: Cubes, boxes: tuple[int, ...], factor: int) -> Floats:
    """Return how many of the smallest cubes that are chosen lie in each of `boxes` cubes `factor` times as wide."""
    counted = np.zeros(boxes)
    np.add.at(counted, tuple(np.argwhere(smallest.chosen).T // factor), 1.0)
    return counted


def _shared(values: Floats, smallest: Cubes, factor: int) -> Floats:
    """Return for each of the smallest cubes its equal share of the value of the cube it lies in."""
    shares = values / np.maximum(_members(smallest, values.shape, factor), 1.0)
    return _repeated(shares, smallest.chosen.shape, factor)


def _repeated(values: NDArray[ScalarT], boxes: tuple[int, ...], factor: int) -> NDArray[ScalarT]:
    """Give each of `boxes` cubes the value of the cube, `factor` times as wide, that it lies in."""
    for axis in range(3):
        values = values.repeat(factor, axis)
    return values[: boxes[0], : boxes[1], : boxes[2]]
