"""The coloured surface of Jalalifar et al. (JTEHM 2022), section "3D Visualization": all seven of its steps.

The default surface (`probe.coloured_contour`) is hundreds of times faster and nearer to the truth; this one is for
those who want the paper's. Where the paper is silent the choices are ours: see `SevenSteps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from LesionLensLib.explain.surface.colors import ColorScale
from LesionLensLib.explain.surface.contour import mask_surface
from LesionLensLib.explain.surface.neighbours import NEAREST, coloured_by_nearest
from LesionLensLib.explain.surface.normals import NEIGHBOURS, oriented_normals
from LesionLensLib.explain.surface.point_cloud import PointCloud, voxel_cloud
from LesionLensLib.explain.surface.poisson import poisson_surface
from LesionLensLib.explain.surface.polydata import IMPACT, RGB, add_normals, points_of, set_point_arrays
from LesionLensLib.explain.surface.sampling import DEFAULT_POINTS, sample_surface
from LesionLensLib.images.volume import Volume


@dataclass(frozen=True)
class SevenSteps:
    """The settings: the paper gives the 10 nearest points, the rest is chosen (see the modules of the steps)."""

    points: int = DEFAULT_POINTS
    nearest: int = NEAREST
    normal_neighbours: int = NEIGHBOURS
    side: int | None = None
    largest_only: bool = False
    seed: int = 0


def coloured_surface(
    impact: Volume,
    mask: Volume,
    settings: SevenSteps | None = None,
    beyond_mm: float = 0.0,
    scale: ColorScale | None = None,
) -> Any:
    """Return vtkPolyData in RAS around `mask`, or `beyond_mm` outside of it, with `impact` and `rgb`.

    Cavities are filled: the surface is the outer one. Without `scale` colours span the whole map. Raises `UserError`
    for an empty mask.
    """
    settings = settings or SevenSteps()
    chosen = mask_surface(_filled(mask), beyond_mm)
    margin_mm = beyond_mm + 2 * max(mask.grid.spacing_mm)
    return reconstruct(chosen, voxel_cloud(impact, mask, margin_mm, scale), settings)


def reconstruct(chosen: Any, original: PointCloud, settings: SevenSteps) -> Any:
    """Return steps 4 to 7 for a chosen surface (vtkPolyData in RAS) and the original points with their colours."""
    drawn = sample_surface(chosen, settings.points, settings.seed)
    cloud = coloured_by_nearest(drawn, original, settings.nearest)
    normals = oriented_normals(cloud.points_ras, settings.normal_neighbours)
    surface = add_normals(poisson_surface(cloud.points_ras, normals, settings.side, settings.largest_only))
    painted = coloured_by_nearest(points_of(surface), cloud, settings.nearest)
    set_point_arrays(surface, {IMPACT: painted.impact, RGB: painted.rgb})
    return surface


def _filled(mask: Volume) -> Volume:
    return mask.with_array(np.asarray(ndimage.binary_fill_holes(mask.array != 0)))
