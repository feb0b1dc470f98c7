"""A small common view of all channels, on which the checks of content are made in a fraction of a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume

SPACING_MM = 3.0
_DEEP_SHARE = 0.4
_FOREGROUND = 0.05
_HEAD_LEVEL = 0.25
_EMPTY_SHARE = 0.2


@dataclass(frozen=True)
class Unseen:
    """There is no object that could be a head in the channel `role`."""

    role: str


@dataclass(frozen=True)
class Preview:
    """Channels `(k, j, i)` on a 3 mm grid over the reference, in units of their own median inside the head.

    `head` is the filled foreground, `deep` its inner 40 % (the brain, whether the skull is there or not), `own_head`
    the foreground of each channel for itself.
    """

    grid: Grid
    channels: Mapping[str, NDArray[np.float32]]
    head: NDArray[np.bool_]
    deep: NDArray[np.bool_]
    own_head: Mapping[str, NDArray[np.bool_]]


def make_preview(
    volumes: Mapping[str, Volume], reference: str, transforms: Mapping[str, sitk.Transform] | None = None
) -> Preview | Unseen:
    """Return the common view, or in which channel there is no foreground to look at."""
    reference_grid = volumes[reference].grid
    grid = reference_grid.with_spacing([SPACING_MM] * 3)
    channels = {}
    for role, volume in volumes.items():
        array = resample(_brightness(volume), grid, transform=(transforms or {}).get(role)).array
        bright = array[array > _FOREGROUND * np.percentile(array, 99.5)]
        if bright.size == 0:
            return Unseen(role)
        channels[role] = (array / max(float(np.median(bright)), 1e-12)).astype(np.float32)
    own_head = {role: _filled(array > _HEAD_LEVEL) for role, array in channels.items()}
    for role in (reference, *own_head):  # a reference that is too thin leaves nothing of the others either
        if not own_head[role].any():
            return Unseen(role)
    head = _filled(np.mean(list(channels.values()), axis=0) > _HEAD_LEVEL)
    if head.sum() < 100:
        return Unseen(reference)
    inward_mm = ndimage.distance_transform_edt(np.pad(head, 1))[1:-1, 1:-1, 1:-1]
    deep = inward_mm > np.percentile(inward_mm[head], 100 * (1 - _DEEP_SHARE))
    if deep.sum() < 100:
        return Unseen(reference)
    return Preview(grid, channels, head, deep, own_head)


def _brightness(volume: Volume) -> Volume:
    """Return z-scores of a brain cut out of its head, which lie around the 0 of the outside, lifted above it.

    Else only the brighter half of the brain would be taken for a head. Other images are returned as they are.
    """
    lowest, outside = volume.array.min(), volume.array == 0
    if lowest >= 0 or np.mean(outside) < _EMPTY_SHARE:
        return volume
    return volume.with_array(np.where(outside, 0.0, volume.array - lowest).astype(np.float32))


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest piece of `mask` with its holes closed."""
    opened = ndimage.binary_opening(mask)
    pieces, count = ndimage.label(opened)
    if count == 0:
        return np.zeros_like(mask)
    largest = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(largest), dtype=bool)
