"""Digital phantoms as training volumes: anatomy and acquisition that none of the few real heads has."""

from __future__ import annotations

import numpy as np

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.bias_field import correct_bias
from LesionLensLib.phantom import HeadPhantom, make_head_phantom
from LesionLensLib.training.brain import CHANNELS, BoolArray, FloatArray

FIRST_SEED = 101
"""Far from seed 0, the sample case of demonstration and tests, which is never trained on."""

MARGIN_VOXELS = 6
SPACINGS_MM = ((0.9, 0.9, 3.0), (1.0, 1.0, 1.0), (0.7, 0.7, 2.0))


def phantom_volume(number: int) -> tuple[str, FloatArray, BoolArray, BoolArray]:
    """Return name, channels (C, D, H, W), brain and lesion (D, H, W) of phantom `number` at 1 mm around its brain."""
    seed = FIRST_SEED + number
    phantom = make_head_phantom(seed, SPACINGS_MM[number % len(SPACINGS_MM)])
    grid = phantom.FLAIR.grid.closest_to_lps().with_spacing((1.0, 1.0, 1.0))
    brain, lesion = (resample(getattr(phantom, name), grid, "nearest").array > 0 for name in ("brain", "lesion"))
    box = _box(brain)
    channels = [correct_bias(channel[box], brain[box], grid.spacing_mm) for channel in _channels(phantom, grid)]
    return f"phantom{seed}", np.stack(channels), brain[box], lesion[box]


def _channels(phantom: HeadPhantom, grid: Grid) -> FloatArray:
    return np.stack([resample(phantom.channels[role], grid).array for role in CHANNELS]).astype(np.float32)


def _box(mask: BoolArray) -> tuple[slice, ...]:
    spots = np.argwhere(mask)
    lower = np.maximum(spots.min(axis=0) - MARGIN_VOXELS, 0)
    upper = spots.max(axis=0) + MARGIN_VOXELS + 1
    return tuple(slice(int(a), int(b)) for a, b in zip(lower, upper, strict=True))
