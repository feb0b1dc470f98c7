"""The coloured surface of Jalalifar et al. (JTEHM 2022), section "3D Visualization": all seven of its steps.

The default surface (`probe.coloured_contour`) is hundreds of times faster and nearer to the truth; this one is for
those who want the paper's. Where the paper is silent the choices are ours: see `SevenSteps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from LesionLensLib.display.polydata import IMPACT, RGB, add_normals, points_of, set_point_arrays
from LesionLensLib.explain.surface.colors import ColorScale
from LesionLensLib.explain.surface.contour import mask_surface
from LesionLensLib.explain.surface.neighbours import NEAREST, coloured_by_nearest
from LesionLensLib.explain.surface.normals import NEIGHBOURS, oriented_normals
from LesionLensLib.explain.surface.point_cloud import cloud_about
from LesionLensLib.explain.surface.poisson import poisson_surface
from LesionLensLib.explain.surface.sampling import DEFAULT_POINTS, sample_surface
from LesionLensLib.geometry import Grid
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
    return reconstruct(mask_surface(_filled(mask), beyond_mm), impact, mask.grid, settings, scale)


def reconstruct(
    chosen: Any, impact: Volume, grid: Grid, settings: SevenSteps | None = None, scale: ColorScale | None = None
) -> Any:
    """Return steps 4 to 7 for any chosen surface (vtkPolyData of triangles in RAS); original points are of `grid`."""
    settings = settings or SevenSteps()
    drawn = sample_surface(chosen, settings.points, settings.seed)
    cloud = coloured_by_nearest(drawn, cloud_about(impact, grid, drawn, scale), settings.nearest)
    normals = oriented_normals(cloud.points_ras, settings.normal_neighbours)
    surface = add_normals(poisson_surface(cloud.points_ras, normals, settings.side, settings.largest_only))
    painted = coloured_by_nearest(points_of(surface), cloud, settings.nearest)
    set_point_arrays(surface, {IMPACT: painted.impact, RGB: painted.rgb})
    return surface


def _filled(mask: Volume) -> Volume:
    return mask.with_array(np.asarray(ndimage.binary_fill_holes(mask.array != 0)))
