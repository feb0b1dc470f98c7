"""The closed surface of a mask, or of what lies within some millimetres of it: the default surface."""

from __future__ import annotations

from typing import Any

import numpy as np
from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

from LesionLensLib.display.polydata import add_normals, contour, make_surface, points_of, triangles_of
from LesionLensLib.errors import UserError
from LesionLensLib.explain.distance import signed_distance_mm
from LesionLensLib.explain.surface.cut_out import cut_out
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

# Measured on bumpy balls of 3 to 15 mm in voxels of 0.5, 1, 3 and 0.7 x 0.7 x 3 mm: a narrower band or more rounds make
# small lesions rounder and smaller than they are, a wider band or fewer leave the steps of the voxels.
ITERATIONS = 20
PASS_BAND = 0.03


def mask_surface(mask: Volume, beyond_mm: float = 0.0) -> Any:
    """Return smooth vtkPolyData in RAS (mm) around `mask` (not 0 is inside) or `beyond_mm` outside of it.

    Every lesion and every cavity has its own closed surface, also where the mask is cut by the border of the image.
    Triangles run anti-clockwise seen from outside and point normals look outwards, whichever hand the grid has.
    Raises `UserError` for an empty mask and `ValueError` for a negative distance.
    """
    if beyond_mm < 0:
        raise ValueError(f"a surface inside of the mask was asked for: {beyond_mm} mm")
    part = cut_out(mask, beyond_mm)
    if part is None:
        raise UserError("The mask is empty, so it has no surface.", "Give a mask that marks the region with 1.")
    if beyond_mm == 0:
        raw = contour(part.array.view(np.uint8), 0.5, part.grid.spacing_mm)
    else:
        reach_mm = beyond_mm + max(part.grid.spacing_mm)
        distance = signed_distance_mm(part.array, part.grid, reach_mm)
        raw = contour(-np.clip(distance, 0, reach_mm), -beyond_mm, part.grid.spacing_mm)
    return in_patient(_smoothed(raw), part.grid)


def in_patient(surface: Any, grid: Grid) -> Any:
    """Return a surface whose points are index * spacing (mm) of `grid` in RAS, turned outside out, with normals."""
    points = grid.ras_from_ijk(points_of(surface) / grid.spacing_mm)
    triangles = triangles_of(surface)
    # Triangles keep their sense from index space to LPS, and from there to RAS, unless the axes are left-handed.
    return add_normals(make_surface(points, triangles[:, ::-1] if grid.is_left_handed else triangles))


def _smoothed(surface: Any) -> Any:
    smoother = vtkWindowedSincPolyDataFilter()
    smoother.SetInputData(surface)
    smoother.SetNumberOfIterations(ITERATIONS)
    smoother.SetPassBand(PASS_BAND)
    smoother.NormalizeCoordinatesOn()
    smoother.NonManifoldSmoothingOn()
    smoother.Update()
    return smoother.GetOutput()
