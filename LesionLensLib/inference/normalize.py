"""The one intensity normalisation that training and inference share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError

CLIP_PERCENTILES = (0.5, 99.5)


def normalize(array: NDArray[np.generic], mask: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return z-scores over the voxels of the brain, and 0 outside of it.

    `array` and `mask` are `(D, H, W)`; a voxel belongs to the brain where `mask` is not 0. Values are clipped to the
    0.5 and 99.5 percentiles of the brain first, so that a few very bright vessels do not set the scale, and mean and
    standard deviation are taken after the clipping. Raises `UserError` where the mask is empty or the image has one
    value in all of the brain, since neither has a scale.
    """
    inside = np.asarray(mask) != 0
    values = np.asarray(array)[inside]
    if values.size == 0:
        raise UserError("The brain mask is empty.", "Give a mask that marks the brain with 1 and all else with 0.")
    # Single precision holds every 16-bit value and takes a third of the time; the sums below are in double precision.
    exact = np.can_cast(values.dtype, np.float32)
    values = values.astype(np.float32 if exact else np.float64)
    np.clip(values, *np.percentile(values, CLIP_PERCENTILES), out=values)
    mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    if not deviation > 1e-8 * max(1.0, float(np.abs(values).max())):
        raise UserError(
            "An image has the same value everywhere inside the brain.",
            "Check that the image is the right one and that the brain mask lies on it.",
        )
    values -= mean
    values /= deviation
    scores = np.zeros(inside.shape, dtype=np.float32)
    scores[inside] = values
    return scores
