"""Where left ends and right begins, and how much lesion lies on each side.

The mid-sagittal plane is the plane through the centroid of the brain mask, normal to the patient's R axis. It is a
plane of the patient, not of the image: an oblique or left-handed grid does not move it. A head turned in the scanner
by 10 degrees moves what lies 60 mm before the centroid by 10 mm across it, so of lesions that near the midline the side
is uncertain. Truth, measurement and network use this same plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume


@dataclass(frozen=True)
class SideLoads:
    """Lesion in ml on the patient's left and right."""

    left_ml: float
    right_ml: float

    @property
    def total_ml(self) -> float:
        """Left and right together."""
        return self.left_ml + self.right_ml

    @property
    def difference_ml(self) -> float:
        """Left less right."""
        return self.left_ml - self.right_ml


def brain_centre_ras(brain: Volume) -> NDArray[np.float64]:
    """Return the centroid (RAS, mm) of the voxels of `brain` other than 0; raises `UserError` where there is none."""
    voxels = np.argwhere(brain.array != 0)
    if not len(voxels):
        raise UserError("The brain mask is empty.", "Give a mask that marks the brain with 1 and all else with 0.")
    return brain.grid.ras_from_ijk(voxels.mean(axis=0)[::-1])


def side_of(grid: Grid, midline_r_mm: float) -> NDArray[np.float64]:
    """Return how much of each voxel (k, j, i) of `grid` is left of the plane at R = `midline_r_mm`: 1, 0 or between.

    A voxel that the plane cuts is shared by how far its centre lies from the plane, in units of its extent along R, so
    that a coarse map whose middle voxels lie on the plane does not fall to one side.
    """
    to_r = grid.ijk_to_ras[0]
    along = [step * np.arange(n) for step, n in zip(to_r[:3], grid.size, strict=True)]
    r = to_r[3] + along[2][:, None, None] + along[1][None, :, None] + along[0][None, None, :]
    share: NDArray[np.float64] = np.clip(0.5 + (midline_r_mm - r) / np.abs(to_r[:3]).sum(), 0.0, 1.0)
    return share


def side_loads(lesion: Volume, midline_r_mm: float) -> SideLoads:
    """Return the volume of a lesion mask (0 and 1, or the share of lesion in each voxel) on each side of the plane."""
    left = side_of(lesion.grid, midline_r_mm)
    mass = lesion.array.astype(np.float64) * lesion.grid.voxel_ml
    return SideLoads(float((mass * left).sum()), float((mass * (1 - left)).sum()))
