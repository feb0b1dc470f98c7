"""Vasogenic oedema: fluid that creeps from the lesion along white matter, spares the cortex and never enters fluid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.training.brain import CSF, WHITE, BoolArray, FloatArray
from LesionLensLib.training.metastases.fields import SmoothField
from LesionLensLib.training.metastases.lattice import blur_mm
from LesionLensLib.training.metastases.limits import MetastasisRange

FRONT_MM = 2.0
"""Over how many mm the front of an oedema fades out."""

FALL = 0.3
"""How much drier the tissue is at the front than beside the lesion."""

SHARE_BLUR_MM = 0.6
UNREACHED_MM = 1e3


@dataclass(frozen=True, eq=False)
class Oedema:
    """How an oedema spreads: `reach_mm` along white matter; `fingers` slow and hasten it from place to place."""

    reach_mm: float
    grey_speed: float
    finger_strength: float
    fingers: SmoothField

    def share_on(self, grid: Grid, tissue: NDArray[np.uint8], lesion: BoolArray) -> FloatArray:
        """Return how much oedema is in each voxel (k, j, i), 0 to 1; `tissue` and `lesion` are on `grid`.

        0 in the lesion, in fluid and outside the brain, and falling with the share of white matter towards the cortex.
        """
        if self.reach_mm <= 0 or not lesion.any():
            return np.zeros(grid.shape, np.float32)
        arrival = arrival_mm(self._speed(grid, tissue), lesion, grid, self.reach_mm)
        front = np.clip((self.reach_mm - arrival) / min(FRONT_MM, self.reach_mm), 0, 1)
        front = front * (1 - FALL * np.minimum(arrival / self.reach_mm, 1))
        # The lesion counts as white matter here, or the oedema would be thin where it begins.
        white = blur_mm(((tissue == WHITE) | lesion).astype(np.float32), SHARE_BLUR_MM, grid)
        wet = (tissue != CSF) & (tissue != 0) & ~lesion
        share: FloatArray = np.where(wet, front * white, 0).astype(np.float32)
        return share

    def _speed(self, grid: Grid, tissue: NDArray[np.uint8]) -> FloatArray:
        speed = np.where(tissue == WHITE, 1.0, self.grey_speed) * np.exp(self.finger_strength * self.fingers.on(grid))
        passable: FloatArray = np.where((tissue == CSF) | (tissue == 0), 0.0, speed).astype(np.float32)
        return passable


def draw_oedema(radius_mm: float, limits: MetastasisRange, rng: np.random.Generator) -> Oedema:
    """Draw an oedema for a lesion of `radius_mm`; now and then there is none (`reach_mm` 0)."""
    reach = rng.uniform(*limits.oedema_reach_mm) + 2 * radius_mm * rng.uniform(*limits.oedema_reach_per_diameter)
    has_one = rng.random() < limits.oedema_chance
    return Oedema(
        float(reach) if has_one else 0.0,
        rng.uniform(*limits.grey_speed),
        rng.uniform(*limits.finger_strength),
        SmoothField.draw(rng.uniform(*limits.finger_length_mm), rng),
    )


def arrival_mm(speed: FloatArray, source: BoolArray, grid: Grid, farthest_mm: float) -> FloatArray:
    """Return when a front that starts at `source` reaches each voxel (k, j, i); at speed 1 that is mm travelled.

    It goes nowhere where `speed` is 0 (arrival `UNREACHED_MM`) and is not followed beyond `farthest_mm`. Fast marching
    (Sethian, PNAS 93, 1996), which heeds the spacing.
    """
    edge = source & ~ndimage.binary_erosion(source, border_value=1)
    filter_ = sitk.FastMarchingImageFilter()
    filter_.SetTrialPoints([[int(i), int(j), int(k)] for k, j, i in np.argwhere(edge)])
    filter_.SetStoppingValue(float(farthest_mm))
    open_way = np.where(source, 0.0, speed).astype(np.float32)
    times = sitk.GetArrayFromImage(filter_.Execute(Volume(open_way, grid).to_sitk()))
    arrival: FloatArray = np.where(source, 0.0, np.minimum(times, UNREACHED_MM)).astype(np.float32)
    return arrival
