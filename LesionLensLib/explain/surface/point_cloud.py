"""Steps 1 and 2: voxel centres as coloured points, and the copy whose axes run from 0 to 1.

Jalalifar et al. (JTEHM 2022), section "3D Visualization". Scaling each axis by itself destroys the shape, so that copy
is for export only and keeps how it was made; neighbours, normals and surface are found in mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.errors import UserError
from LesionLensLib.explain.surface.colors import ColorScale, scale_of
from LesionLensLib.explain.surface.probe import sample_map
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

Points = NDArray[np.float64]
Triple = tuple[float, float, float]
REACH_VOXELS = 2


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points (N, 3) in RAS mm with their impact (N,) and colour (N, 3)."""

    points_ras: Points
    impact: NDArray[np.float32]
    rgb: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class UnitCloud:
    """A cloud scaled to 0..1 along R, A and S: `mm = points * scale_mm + offset_mm`."""

    points: Points
    impact: NDArray[np.float32]
    rgb: NDArray[np.uint8]
    scale_mm: Triple
    offset_mm: Triple

    def restored(self) -> PointCloud:
        """Return the cloud in RAS mm."""
        return PointCloud(self.points * self.scale_mm + self.offset_mm, self.impact, self.rgb)


def voxel_cloud(impact: Volume, region: Volume, scale: ColorScale | None = None) -> PointCloud:
    """Return the centres of the voxels of `region` (not 0) with the map's value (linear) and its colour.

    Without `scale` colours span the whole map. Raises `UserError` for an empty region.
    """
    k, j, i = np.nonzero(region.array)
    if not len(i):
        raise UserError("The region of the point cloud is empty.", "Give a mask that marks the region with 1.")
    return _cloud(impact, region.grid.ras_from_ijk(np.stack([i, j, k], axis=-1)), scale)


def cloud_about(impact: Volume, grid: Grid, points_ras: Points, scale: ColorScale | None = None) -> PointCloud:
    """Return the centres of those voxels of `grid`, continued without end, that are near any of `points_ras` (N, 3).

    They are the voxel a point lies in and two more on every side, which hold its ten nearest voxels: a tree of a whole
    brain's voxels would take seconds and a gigabyte for the same answer. The rest as `voxel_cloud`.
    """
    voxels = np.rint(grid.ijk_from_ras(points_ras)).astype(np.intp)
    lower = voxels.min(0) - REACH_VOXELS
    near = np.zeros(voxels.max(0) + REACH_VOXELS + 1 - lower, dtype=np.uint8)
    near[tuple((voxels - lower).T)] = 1
    for axis in range(3):
        near = ndimage.maximum_filter1d(near, 2 * REACH_VOXELS + 1, axis, mode="constant")
    return _cloud(impact, grid.ras_from_ijk(np.argwhere(near) + lower), scale)


def _cloud(impact: Volume, points: Points, scale: ColorScale | None) -> PointCloud:
    values = sample_map(impact, points)
    return PointCloud(points, values, (scale or scale_of(impact.array)).rgb(values))


def unit_cloud(cloud: PointCloud) -> UnitCloud:
    """Return the cloud with each axis scaled to 0..1; an axis without extent keeps its scale of 1 mm."""
    offset = cloud.points_ras.min(0)
    extent = np.ptp(cloud.points_ras, axis=0)
    scale = np.where(extent > 0, extent, 1.0)
    (sx, sy, sz), (ox, oy, oz) = scale.tolist(), offset.tolist()
    return UnitCloud((cloud.points_ras - offset) / scale, cloud.impact, cloud.rgb, (sx, sy, sz), (ox, oy, oz))
