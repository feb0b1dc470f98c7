"""Does a map point at what is known to be true? For images whose mechanism is known, such as simulated ones.

The pointing game is that of Zhang et al., "Top-Down Neural Attention by Excitation Backprop", ECCV 2016, section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from LesionLensLib.images.volume import Volume

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pointing:
    """How a map |v| lies to the truth.

    `hit` is 1 where its peak lies in the truth; several voxels with the same highest value count by the share of them
    that do. `distance_mm` is the mean distance of the peak from the truth. `energy_share` is the truth's part of the
    sum of v^2, `overlap` the Dice of the truth and as many of the strongest voxels. `chance` is the truth's part of
    the volume: what a map that is the same everywhere would have as hit and as energy share.
    """

    hit: float
    distance_mm: float
    energy_share: float
    overlap: float
    chance: float


def point(impact: Volume, truth: Mask, within: Mask | None = None, tolerance_mm: float = 0.0) -> Pointing:
    """Compare a map with the voxels `truth` (D, H, W) where the answer is known to come from.

    Only voxels `within` count, all for None. A peak up to `tolerance_mm` from the truth is a hit. Raises `ValueError`
    for a truth that is empty or lies outside, a map that is 0 everywhere, and one that is not finite.
    """
    inside = np.ones(truth.shape, dtype=bool) if within is None else within.astype(bool)
    known = truth.astype(bool) & inside
    values = np.abs(impact.array.astype(np.float64))
    if truth.shape != impact.grid.shape or inside.shape != truth.shape or not known.any():
        raise ValueError("the truth must mark voxels of the map")
    if not np.isfinite(values).all() or not values[inside].any():
        raise ValueError("a map that points is finite and not 0 everywhere")
    far = distance_transform_edt(~known, sampling=impact.grid.spacing_mm[::-1])
    peak = inside & (values == values[inside].max())
    strongest = _strongest(np.where(inside, values, -1.0), int(known.sum()))
    energy = values**2
    return Pointing(
        hit=float((far[peak] <= tolerance_mm).mean()),
        distance_mm=float(far[peak].mean()),
        energy_share=float(energy[known].sum() / energy[inside].sum()),
        overlap=float(2 * strongest[known].sum() / (known.sum() + strongest.sum())),
        chance=float(known.sum() / inside.sum()),
    )


def _strongest(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the weight (D, H, W) of each voxel among the `count` highest; ties at the limit share what is left."""
    limit = np.partition(values.ravel(), -count)[-count]
    above, tied = values > limit, values == limit
    weights: NDArray[np.float64] = above + tied * (count - above.sum()) / tied.sum()
    return weights
