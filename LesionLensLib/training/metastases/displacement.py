"""Mass effect: a smooth displacement of the brain around a lesion that never folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

from LesionLensLib.geometry import Grid, Matrix, flip_lps_ras
from LesionLensLib.images import Volume
from LesionLensLib.images.resample import resample
from LesionLensLib.training.brain import BoolArray, FloatArray
from LesionLensLib.training.metastases.fields import SmoothField
from LesionLensLib.training.metastases.lattice import blur_mm, box_around, distance_mm, offsets_mm

SMALLEST_JACOBIAN = 0.1
WEAKER = 0.85
WALL_MM = 10.0
"""Within this distance of the skull the displacement fades to nothing."""

FARTHEST_REACHES = 4.0
"""At four times its reach a mass effect is a thousandth of what it is at its strongest."""

BEND_SPACING_MM = 4.0


@dataclass(frozen=True, eq=False)
class Displacement:
    """Where the tissue seen at x came from: x + d(x). `vectors` (k, j, i, 3) are d in RAS mm on `grid`, 0 beyond it."""

    vectors: Matrix
    grid: Grid

    def jacobian(self) -> NDArray[np.float64]:
        """Return the determinant of the Jacobian of x + d(x), (k, j, i): above 0 everywhere means invertible."""
        by_index = np.stack([np.gradient(self.vectors, axis=axis) for axis in (2, 1, 0)], axis=-1)
        by_mm = by_index @ np.linalg.inv(self.grid.ijk_to_ras[:3, :3])
        determinant: NDArray[np.float64] = np.linalg.det(by_mm + np.eye(3))
        return determinant

    def warp(self, array: NDArray[Any], grid: Grid, interpolation: Literal["linear", "nearest"]) -> NDArray[Any]:
        """Return what lies at x + d(x) of `array` (k, j, i) for every voxel x of its `grid`; "nearest" keeps the type.

        Only the part of `array` under this field changes.
        """
        center = self.grid.ras_from_ijk((np.array(self.grid.size) - 1) / 2)
        reach = np.linalg.norm(np.array(self.grid.size) * self.grid.spacing_mm) / 2
        under = box_around(grid, center, float(reach))
        moved = resample(Volume(array, grid), under.grid, interpolation, self._transform())
        out = array.copy()
        out[under.part] = moved.array.astype(array.dtype)
        return out

    def unfolded(self) -> Displacement:
        """Return this displacement, weakened until its Jacobian is nowhere below `SMALLEST_JACOBIAN`."""
        field = self
        while field.jacobian().min() < SMALLEST_JACOBIAN:
            field = replace(field, vectors=WEAKER * field.vectors)
        return field

    def _transform(self) -> sitk.Transform:
        image = sitk.GetImageFromArray(np.ascontiguousarray(flip_lps_ras(self.vectors)), isVector=True)
        image.SetSpacing(self.grid.spacing_mm)
        image.SetOrigin(self.grid.origin_lps)
        image.SetDirection(self.grid.direction_lps)
        return sitk.DisplacementFieldTransform(image)


def push_apart(
    grid: Grid, center_ras: ArrayLike, strength_mm: float, reach_mm: float, brain: BoolArray
) -> Displacement:
    """Return the displacement of a mass that grew at a point of the brain (k, j, i) on `grid`.

    d points to the centre and is strongest, `strength_mm`, at `reach_mm` from it:
    |d| = strength (r / reach) exp((1 - (r / reach)²) / 2). It fades near the skull and is 0 outside of `brain`.
    """
    box = box_around(grid, center_ras, FARTHEST_REACHES * reach_mm)
    offsets = offsets_mm(box.grid, center_ras) / reach_mm
    bell = np.exp((1 - (offsets**2).sum(axis=-1)) / 2)
    inward = -strength_mm * offsets * (bell * room(brain[box.part], box.grid))[..., None]
    return Displacement(inward, box.grid).unfolded()


def bend(grid: Grid, strength_mm: float, length_mm: float, brain: BoolArray, rng: np.random.Generator) -> Displacement:
    """Return a smooth random displacement of the brain (k, j, i) on `grid` that leaves the skull in place."""
    coarse = grid.with_spacing([max(BEND_SPACING_MM, s) for s in grid.spacing_mm])
    free = room(resample(Volume(brain.astype(np.float32), grid), coarse).array > 0.5, coarse)
    parts = np.stack([SmoothField.draw(length_mm, rng).on(coarse) for _ in range(3)], axis=-1)
    return Displacement((strength_mm * parts * free[..., None]).astype(np.float64), coarse).unfolded()


def room(brain: BoolArray, grid: Grid) -> FloatArray:
    """Return 1 deep in the brain (k, j, i), falling smoothly to 0 at its border and outside."""
    depth = np.minimum(distance_mm(~brain, grid) / WALL_MM, 1.0)
    eased = blur_mm((depth**2 * (3 - 2 * depth)).astype(np.float32), WALL_MM / 5, grid)
    free: FloatArray = np.where(brain, eased, 0).astype(np.float32)
    return free
