"""Surface files read by Slicer itself: the model stands where the image stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_case import oblique_grid
from surface_cases import ball, centres

from LesionLensLib.display.polydata import point_arrays_of, points_of
from LesionLensLib.explain.surface.probe import coloured_contour
from LesionLensLib.explain.surface.surface_files import write_surface
from LesionLensLib.images import Volume

CENTRE = (31.0, -22.0, 15.0)


@pytest.mark.parametrize("suffix", ["vtp", "ply", "obj"])
def test_slicer_puts_the_model_where_the_lesion_is_and_its_left_half_is_coloured_as_the_left(
    suffix: str, slicer: Any, tmp_path: Path
) -> None:
    grid = oblique_grid(left_handed=True)
    impact = Volume(np.where(centres(grid)[..., 0] < CENTRE[0], 1.0, -1.0).astype(np.float32), grid)
    surface = coloured_contour(impact, ball(grid, CENTRE, 12.0))
    write_surface(surface, tmp_path / f"surface.{suffix}")
    model = slicer.util.loadModel(str(tmp_path / f"surface.{suffix}"))
    points = slicer.util.arrayFromModelPoints(model)
    np.testing.assert_allclose(points, points_of(surface), atol=2e-3)
    np.testing.assert_allclose(points.mean(0), CENTRE, atol=0.5)
    arrays = point_arrays_of(model.GetPolyData())
    if suffix == "vtp":
        left = points[:, 0] < CENTRE[0] - 2
        assert (arrays["impact"][left] == 1).all()
        np.testing.assert_array_equal(arrays["rgb"], point_arrays_of(surface)["rgb"])
    if suffix == "ply":
        np.testing.assert_array_equal(arrays["RGB"], point_arrays_of(surface)["rgb"])
