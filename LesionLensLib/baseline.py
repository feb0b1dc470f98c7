"""The baseline that a network has to beat: everything in the brain that FLAIR shows brighter than one threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 200


@dataclass(frozen=True)
class FlairThreshold:
    """A voxel of the brain is lesion where its FLAIR value is above `multiple` times the median of the brain.

    The median makes the threshold independent of the scanner's gain, as far as a single number can.
    """

    multiple: float

    def segment(self, flair: NDArray[np.generic], brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the lesion mask `(k, j, i)` of a FLAIR image inside a brain mask of the same shape."""
        values = np.asarray(flair, dtype=np.float64)
        lesion: NDArray[np.bool_] = brain & (values > self.multiple * np.median(values[brain]))
        return lesion


def fit_flair_threshold(
    cases: Sequence[tuple[NDArray[np.generic], NDArray[np.bool_], NDArray[np.bool_]]],
) -> FlairThreshold:
    """Return the threshold with the best voxel Dice on `cases`, each (FLAIR, brain, lesion) of one shape."""
    candidates = np.linspace(0.8, 3.0, CANDIDATES)
    overlap, total = np.zeros(CANDIDATES), np.zeros(CANDIDATES)
    for flair, brain, lesion in cases:
        values = np.asarray(flair, dtype=np.float64)
        values = values[brain] / np.median(values[brain])
        truth = lesion[brain]
        order = np.sort(values)
        order_true = np.sort(values[truth])
        overlap += len(order_true) - np.searchsorted(order_true, candidates, side="right")
        total += len(order) - np.searchsorted(order, candidates, side="right") + int(lesion.sum())
    return FlairThreshold(float(candidates[np.argmax(2 * overlap / np.maximum(total, 1))]))
