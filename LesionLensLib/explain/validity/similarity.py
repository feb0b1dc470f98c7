"""How alike two maps are: by rank over all voxels, and by their strongest tenth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from LesionLensLib import ranks
from LesionLensLib.explain.question import Question

Map = NDArray[np.floating]
MakeMap = Callable[[Question], Map]
"""Makes the map (D, H, W) of a question; called with other networks or images than those of the map at hand."""

TOP_SHARE = 0.1


def rank_correlation(one: Map, other: Map) -> float:
    """Return Spearman's correlation of |map| over the voxels that not both leave at exactly 0.

    Voxels at 0 in both are mostly air or lie outside of what was examined: they would make any two maps look alike. A
    map that is the same everywhere is like no other: 0. Raises `ValueError` for maps of different size, or not finite.
    """
    first, second = _magnitudes(one, other)
    compared = (first > 0) | (second > 0)
    chosen = [values[compared] for values in (first, second)]
    if not compared.any() or any(np.ptp(values) == 0 for values in chosen):
        return 0.0
    return ranks.rank_correlation(*chosen)


def top_dice(one: Map, other: Map, share: float = TOP_SHARE) -> float:
    """Return the Dice overlap of the strongest `share` of both maps; equal values are taken or left together.

    The maps of cubes have few values: as many voxels are taken as reach the value of the last one needed, and voxels at
    0 never count. 0 where a map is 0 everywhere.
    """
    first, second = (_top(values, share) for values in _magnitudes(one, other))
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 0.0


def _top(values: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    wanted = max(1, round(share * values.size))
    limit = np.partition(values.ravel(), -wanted)[-wanted]
    strongest: NDArray[np.bool_] = (values >= limit) & (values > 0)
    return strongest


def _magnitudes(one: Map, other: Map) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = (np.abs(np.asarray(values, dtype=np.float64)) for values in (one, other))
    if first.shape != second.shape or not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError(f"maps {first.shape} and {second.shape} cannot be compared")
    return first, second
