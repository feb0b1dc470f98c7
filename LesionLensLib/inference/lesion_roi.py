"""The cube around one lesion that a per-lesion network sees: where it lies, and what its channels hold.

Training and inference share it (Jalalifar et al., 2022; the choices stand in the documentation of the model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.normalize import normalize


@dataclass(frozen=True)
class RoiPreset:
    """A cube of `voxels` a side with voxels of `spacing_mm`."""

    voxels: int
    spacing_mm: float


FULL_ROI = RoiPreset(96, 1.0)
LIGHT_ROI = RoiPreset(64, 1.5)
"""The same 96 mm with fewer voxels."""


def lesion_roi(lesion: Volume, preset: RoiPreset) -> Grid:
    """Return the cube centred on the centroid of a lesion mask, its axes those of the image turned to L, P, S.

    Raises `UserError` for an empty mask.
    """
    spots = np.argwhere(lesion.array != 0)
    if not len(spots):
        raise UserError("The lesion mask is empty.", "Give a mask that marks one lesion with 1 and all else with 0.")
    centroid = lesion.grid.ras_from_ijk(spots.mean(axis=0)[::-1])
    axes = lesion.grid.closest_to_lps().with_spacing([preset.spacing_mm] * 3)
    offset = axes.ijk_from_ras(centroid) - (preset.voxels - 1) / 2
    start = axes.ijk_to_lps @ np.array([*offset, 1.0])
    origin = (float(start[0]), float(start[1]), float(start[2]))
    return Grid((preset.voxels,) * 3, axes.spacing_mm, origin, axes.direction_lps)


def brain_scores(image: Volume, brain: Volume) -> Volume:
    """Return the image as z-scores over the whole brain, 0 outside; `brain` lies on the same grid.

    Normalise before cropping: within a crop, a large lesion would set its own scale.
    """
    return image.with_array(normalize(image.array, brain.array))


def roi_input(scores: Sequence[Volume], masks: Sequence[Volume], grid: Grid) -> NDArray[np.float32]:
    """Return the network's input (C, D, H, W) on `grid`: images linear, then masks nearest as 0 and 1, 0 beyond."""
    images = [resample(volume, grid).array for volume in scores]
    flags = [resample(volume.with_array((volume.array != 0).astype(np.uint8)), grid, "nearest") for volume in masks]
    return np.stack([*images, *(flag.array for flag in flags)]).astype(np.float32)
