"""Intensities of PET and CT before the network: clipping, local contrast normalisation (can be off), standardisation.

Source of the contrast step: Foracchia et al., Luminosity and contrast normalization in retinal images, Medical Image
Analysis 9 (2005), here in three dimensions; the constants are ours. It takes away what differs from place to place in
the background, and with it the absolute uptake of a PET, which is a clinical sign of its own: hence the switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError

Array = NDArray[np.float64]
WINDOW_MM = 25.0
# The local contrast is never taken for less than this share of the global one: air would be blown up to noise.
_SMALLEST_CONTRAST = 0.05
_BACKGROUND_SDS = 1.0


@dataclass(frozen=True)
class Intensities:
    """How a channel is treated: clipped to `clip`, contrast-normalised or not, then standardised.

    "box" gives z-scores over the box, "fixed" subtracts `center` and divides by `scale`, which keeps physical units
    comparable between patients.
    """

    clip: tuple[float, float]
    contrast: Literal["local", "none"] = "local"
    standardize: Literal["box", "fixed"] = "box"
    center: float = 0.0
    scale: float = 1.0
    window_mm: float = WINDOW_MM

    def without_contrast(self) -> Intensities:
        """Return the same treatment with the contrast step off."""
        return replace(self, contrast="none")


PET_SUV = Intensities(clip=(0.0, 30.0))
CT_HU = Intensities(clip=(-1000.0, 1000.0))
# The absolute values stay: one unit is 10 SUV or 1000 HU.
PET_SUV_PHYSICAL = Intensities(clip=(0.0, 30.0), contrast="none", standardize="fixed", scale=10.0)
CT_HU_PHYSICAL = Intensities(clip=(-1000.0, 1000.0), contrast="none", standardize="fixed", scale=1000.0)


def normalize_box(
    array: NDArray[np.generic], spacing_kji_mm: Sequence[float], treatment: Intensities, name: str = "image"
) -> NDArray[np.float32]:
    """Return the box `(D, H, W)` as the network sees it; `spacing_kji_mm` is in the order of the array's axes.

    Raises `UserError` that names the channel where it has one value in the whole box after clipping, which has no
    scale ("fixed" standardisation needs none).
    """
    values = np.clip(np.asarray(array, dtype=np.float64), *treatment.clip)
    needs_scale = treatment.contrast == "local" or treatment.standardize == "box"
    if needs_scale and not values.std() > 1e-8 * max(1.0, float(np.abs(values).max())):
        raise UserError(
            f"The {name} has the same value everywhere around the lesion.",
            f"Check that the {name} is the right one and covers the lesion.",
        )
    if treatment.contrast == "local":
        values = normalize_contrast(values, spacing_kji_mm, treatment.window_mm)
    center, scale = treatment.center, treatment.scale
    if treatment.standardize == "box":
        center, scale = float(values.mean()), float(values.std())
    normalized: NDArray[np.float32] = ((values - center) / scale).astype(np.float32)
    return normalized


def normalize_contrast(values: Array, spacing_kji_mm: Sequence[float], window_mm: float = WINDOW_MM) -> Array:
    """Return (I - L) / C, where L and C are mean and standard deviation of the background around each voxel.

    `values` is `(D, H, W)`. Background are the voxels of a window that differ by less than one of its standard
    deviations from its mean. Both are computed for windows of side `window_mm` half a side apart, cut off at the
    border, and interpolated linearly between their centres; C is at least 5 % of the global standard deviation.
    """
    shift = float(values.mean())
    # Sums of squares of values around zero keep their digits.
    centred = values - shift
    windows = [_windows(size, step, window_mm) for size, step in zip(values.shape, spacing_kji_mm, strict=True)]
    everything = np.ones(values.shape)
    count = _window_sums(everything, windows)
    mean = _window_sums(centred, windows) / count
    deviation = _deviation(_window_sums(centred**2, windows) / count, mean)
    far = np.abs(centred - _spread(mean, windows)) >= _BACKGROUND_SDS * _spread(deviation, windows)
    background = np.where(far, 0.0, everything)
    inside = _window_sums(background, windows)
    # Where a window is flat or holds no background of its own, its plain mean and deviation stand in.
    some = np.maximum(inside, 1.0)
    level = np.where(inside > 0, _window_sums(centred * background, windows) / some, mean)
    squares = _window_sums(centred**2 * background, windows) / some
    contrast = np.where(inside > 0, _deviation(squares, level), deviation)
    floor = _SMALLEST_CONTRAST * float(values.std())
    normalized: Array = (centred - _spread(level, windows)) / np.maximum(_spread(contrast, windows), floor)
    return normalized


@dataclass(frozen=True)
class _Windows:
    """The windows along one axis: their first and past-last voxels, and how voxels `(size, n)` mix their values."""

    first: NDArray[np.intp]
    last: NDArray[np.intp]
    weights: Array


def _windows(size: int, step_mm: float, window_mm: float) -> _Windows:
    half = window_mm / 2.0 / step_mm
    number = 1 if half >= size - 1 else round((size - 1) / max(half, 1.0)) + 1
    places = np.linspace(0.0, size - 1.0, number) if number > 1 else np.array([(size - 1.0) / 2.0])
    first = np.maximum(np.ceil(places - half - 1e-9), 0).astype(np.intp)
    last = np.minimum(np.floor(places + half + 1e-9), size - 1).astype(np.intp) + 1
    # A window cut off at the border has its middle farther inside.
    centres = (first + last - 1) / 2.0
    weights = np.stack([np.interp(np.arange(size), centres, row) for row in np.eye(number)], axis=1)
    return _Windows(first, last, weights)


def _window_sums(values: Array, windows: Sequence[_Windows]) -> Array:
    """Return the sum over every window, one axis after the other by differences of running sums."""
    for axis, window in enumerate(windows):
        running = np.cumsum(values, axis=axis)
        running = np.concatenate([np.zeros_like(running.take([0], axis)), running], axis=axis)
        values = running.take(window.last, axis) - running.take(window.first, axis)
    return values


def _spread(coarse: Array, windows: Sequence[_Windows]) -> Array:
    """Interpolate values at the centres of the windows to all voxels."""
    for axis, window in enumerate(windows):
        coarse = np.moveaxis(np.tensordot(window.weights, coarse, axes=(1, axis)), 0, axis)
    return coarse


def _deviation(mean_square: Array, mean: Array) -> Array:
    spread: Array = np.sqrt(np.maximum(mean_square - mean**2, 0.0))
    return spread
