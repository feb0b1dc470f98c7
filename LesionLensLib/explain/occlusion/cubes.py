"""The cubes that are occluded: super-voxels of a size in millimetres, laid over a volume or the region of interest.

Jalalifar et al., IEEE JTEHM 2022, supplementary, section "3D Visualization": a cube is a voxel or a super-voxel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.outcome.outcomes import Floats

Triple = tuple[int, int, int]
Starts = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Cubes:
    """Boxes of `size` voxels, one every `stride` voxels from the first voxel on, all in the order (D, H, W).

    The last box of an axis may reach beyond the volume of `shape` voxels, so that its border is covered as well.
    `chosen` (boxes along D, H, W) tells which boxes are evaluated.
    """

    shape: Triple
    size: Triple
    stride: Triple
    chosen: Mask

    @classmethod
    def covering(cls, shape: Triple, size: Triple, stride: Triple, region: Mask | None = None) -> Cubes:
        """Return all boxes, or those with a voxel of `region` (D, H, W).

        Raises `ValueError` for a stride that would leave voxels out, and `UserError` for an empty region.
        """
        if min(*size, *stride) < 1 or any(step > side for step, side in zip(stride, size, strict=True)):
            raise ValueError(f"cubes of {size} voxels cannot have a stride of {stride}")
        counts = [max(0, -(-(n - s) // step)) + 1 for n, s, step in zip(shape, size, stride, strict=True)]
        cubes = cls(shape, size, stride, np.ones(counts, dtype=bool))
        return cubes if region is None else cubes.within(region)

    @classmethod
    def on_grid(cls, grid: Grid, size_mm: float, stride_mm: float | None = None, region: Mask | None = None) -> Cubes:
        """Return cubes of about `size_mm` on `grid`, every `stride_mm`; without a stride they touch and do not overlap.

        Each axis takes the nearest whole number of its own voxels, at least one. Raises `UserError` for a stride above
        the size and for an empty `region`.
        """
        if stride_mm is not None and stride_mm > size_mm:
            raise UserError(
                f"Cubes of {size_mm:g} mm every {stride_mm:g} mm would leave parts of the image out.",
                "Give a stride of at most the size of the cubes.",
            )
        spacing_mm = grid.spacing_mm[::-1]
        size = _voxels(size_mm, spacing_mm)
        stride = size if stride_mm is None else _voxels(stride_mm, spacing_mm)
        return cls.covering(grid.shape, size, stride, region)

    def within(self, region: Mask) -> Cubes:
        """Return the chosen boxes that have a voxel of `region` (D, H, W); raises `UserError` where there is none."""
        if region.shape != self.shape:
            raise ValueError(f"the region {region.shape} is not on the grid {self.shape}")
        if not region.any():
            raise UserError("The region of interest is empty.", "Give a mask that marks the region with 1.")
        chosen = self.chosen & (_along_axes([m.T for m in self._memberships()], region) > 0)
        return replace(self, chosen=chosen)

    @property
    def starts(self) -> Starts:
        """The first voxel (d, h, w) of every chosen box, (n, 3)."""
        starts: Starts = np.argwhere(self.chosen) * np.array(self.stride)
        return starts

    @property
    def count(self) -> int:
        """How many boxes are chosen."""
        return int(np.count_nonzero(self.chosen))

    @property
    def covered(self) -> Mask:
        """The voxels (D, H, W) that lie in a chosen box."""
        return _along_axes(self._memberships(), self.chosen) > 0

    def lattice(self, values: Floats) -> Floats:
        """Return the values (n,) of the chosen boxes at their place among all boxes; 0 for the others."""
        lattice = np.zeros(self.chosen.shape)
        lattice[self.chosen] = values
        return lattice

    def spread(self, lattice: Floats) -> Floats:
        """Return for each voxel (D, H, W) the mean value of the chosen boxes that contain it; 0 where there is none."""
        memberships = self._memberships()
        total = _along_axes(memberships, np.where(self.chosen, lattice, 0.0))
        return total / np.maximum(_along_axes(memberships, self.chosen), 1.0)

    def _memberships(self) -> list[Floats]:
        """For each axis which voxel (rows) lies in which box (columns), 1 or 0."""
        matrices = []
        for voxels, boxes, side, step in zip(self.shape, self.chosen.shape, self.size, self.stride, strict=True):
            offset = np.arange(voxels)[:, None] - step * np.arange(boxes)
            matrices.append(((offset >= 0) & (offset < side)).astype(np.float64))
        return matrices


def _voxels(length_mm: float, spacing_mm: tuple[float, ...]) -> Triple:
    depth, height, width = (max(1, round(length_mm / spacing)) for spacing in spacing_mm)
    return depth, height, width


def _along_axes(matrices: list[Floats], values: NDArray[np.generic]) -> Floats:
    first, second, third = matrices
    planes = np.tensordot(first, values.astype(np.float64), 1)
    rows = np.matmul(second, planes)
    result: Floats = rows @ third.T
    return result
