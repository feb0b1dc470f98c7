"""The default coloured surface: it lies where the mask lies, looks outwards, and shows the map of that place."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vtkmodules", reason="VTK is not installed (optional group: scene)")

from surface_cases import ball, centres, enclosed_ml, euler_characteristic, grid_about, is_closed

from LesionLensLib.display.polydata import point_arrays_of, points_of, triangles_of
from LesionLensLib.errors import UserError
from LesionLensLib.explain.surface.colors import ColorScale
from LesionLensLib.explain.surface.contour import mask_surface
from LesionLensLib.explain.surface.mesh import parts_of
from LesionLensLib.explain.surface.probe import coloured_contour, sample_map
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

CENTRE = (31.0, -22.0, 55.0)


def hands(oblique_grid: Grid) -> list[tuple[float, ...]]:
    """Return the left-handed directions of the oblique grid, and the same with its third axis reversed."""
    left = np.reshape(oblique_grid.direction_lps, (3, 3))
    return [tuple(left.ravel()), tuple((left * [1, 1, -1]).ravel())]


@pytest.mark.parametrize("hand", [0, 1])
@pytest.mark.parametrize(
    ("spacing", "tolerance_mm", "cosine"), [((0.7, 1.3, 3.1), 1.6, 0.3), ((1.0, 1.0, 1.0), 0.6, 0.9)]
)
def test_the_surface_of_a_ball_lies_where_the_ball_lies_and_looks_outwards_whatever_the_hand_of_the_grid(
    hand: int, spacing: tuple[float, float, float], tolerance_mm: float, cosine: float, oblique_grid: Grid
) -> None:
    grid = grid_about(CENTRE, 36, spacing, hands(oblique_grid)[hand])
    assert grid.is_left_handed == (hand == 0)
    mask = ball(grid, CENTRE, 12.0)
    surface = mask_surface(mask)
    away = points_of(surface) - CENTRE
    radius = np.linalg.norm(away, axis=1)
    assert np.abs(radius - 12).max() < tolerance_mm
    assert radius.mean() == pytest.approx(12, abs=0.15)
    np.testing.assert_allclose(away.mean(0), 0, atol=0.25)
    assert is_closed(surface)
    assert euler_characteristic(surface) == 2
    assert enclosed_ml(surface) == pytest.approx(mask.array.sum() * grid.voxel_ml, rel=0.03)  # positive: right side out
    normals = point_arrays_of(surface)["Normals"]
    assert (np.einsum("ij,ij->i", normals, away / radius[:, None]) > cosine).all()


@pytest.mark.parametrize("hand", [0, 1])
def test_what_has_impact_on_the_left_shows_it_on_the_left(hand: int, oblique_grid: Grid) -> None:
    grid = grid_about(CENTRE, 36, (0.7, 1.3, 3.1), hands(oblique_grid)[hand])
    places = centres(grid)
    impact = Volume(np.where(places[..., 0] < CENTRE[0], 1.0, -1.0).astype(np.float32), grid)  # R is positive
    surface = coloured_contour(impact, ball(grid, CENTRE, 12.0))
    points, arrays = points_of(surface), point_arrays_of(surface)
    left, right = points[:, 0] < CENTRE[0] - 3.2, points[:, 0] > CENTRE[0] + 3.2
    assert (arrays["impact"][left] == 1).all()
    assert (arrays["impact"][right] == -1).all()
    red, blue = arrays["rgb"][..., 0].astype(int), arrays["rgb"][..., 2].astype(int)
    assert (red > blue + 100)[left].all()
    assert (blue > red + 100)[right].all()


def test_the_impact_is_that_of_the_place_even_if_the_map_lies_on_another_grid(oblique_grid: Grid) -> None:
    def field(points: np.ndarray) -> np.ndarray:
        return 0.2 + 0.01 * (points - CENTRE) @ [1.0, -2.0, 0.5]

    coarse = grid_about(CENTRE, 60, (3.0, 3.0, 3.0), np.eye(3).ravel())
    impact = Volume(field(centres(coarse)).astype(np.float32), coarse)
    mask = ball(grid_about(CENTRE, 36, (0.7, 1.3, 3.1), oblique_grid.direction_lps), CENTRE, 12.0)
    scale = ColorScale("coolwarm", -0.5, 0.5)
    surface = coloured_contour(impact, mask, scale=scale)
    arrays = point_arrays_of(surface)
    np.testing.assert_allclose(arrays["impact"], field(points_of(surface)), atol=1e-5)
    assert arrays["impact"].dtype == np.float32
    assert arrays["rgb"].dtype == np.uint8
    np.testing.assert_array_equal(arrays["rgb"], scale.rgb(arrays["impact"]))
    assert surface.GetPointData().GetScalars().GetName() == "impact"


def test_a_map_is_linear_between_voxels_kept_to_its_border_and_zero_beyond(oblique_grid: Grid) -> None:
    impact = Volume(np.random.default_rng(0).normal(size=oblique_grid.shape).astype(np.float32), oblique_grid)
    a = impact.array

    def at(*ijk: float) -> float:
        return float(sample_map(impact, oblique_grid.ras_from_ijk([ijk]))[0])

    assert at(3, 4, 5) == pytest.approx(a[5, 4, 3], abs=1e-6)
    assert at(3.25, 4, 5) == pytest.approx(0.75 * a[5, 4, 3] + 0.25 * a[5, 4, 4], abs=1e-6)
    assert at(-0.4, 4, 5) == pytest.approx(a[5, 4, 0], abs=1e-6)
    assert at(-0.6, 4, 5) == at(3, 4, 6.6) == 0


@pytest.mark.parametrize("beyond_mm", [2.5, 10.0])
def test_beyond_a_ball_by_some_millimetres_lies_a_larger_ball_even_past_the_border_of_the_image(
    beyond_mm: float, oblique_grid: Grid
) -> None:
    grid = grid_about(CENTRE, 20, (0.9, 0.9, 1.4), oblique_grid.direction_lps)  # the ball almost fills the image
    surface = mask_surface(ball(grid, CENTRE, 9.0), beyond_mm)
    radius = np.linalg.norm(points_of(surface) - CENTRE, axis=1)
    assert radius.mean() == pytest.approx(9 + beyond_mm, abs=0.4)
    assert np.abs(radius - 9 - beyond_mm).max() < 1.0
    assert is_closed(surface)
    assert enclosed_ml(surface) > 0


def test_a_mask_cut_by_the_image_border_is_closed_there_and_every_lesion_and_cavity_has_its_own_surface() -> None:
    grid = Grid((40, 20, 20), (1, 1, 1), (0, 0, 0))
    mask = np.zeros(grid.shape, np.uint8)
    mask[5:15, 0:10, 2:12] = 1  # cut
    mask[5:15, 5:15, 20:32] = 1
    mask[8:12, 8:12, 23:28] = 0  # cavity
    surface = mask_surface(Volume(mask, grid))
    assert is_closed(surface)
    assert len(np.unique(parts_of(surface))) == 3
    assert enclosed_ml(surface) == pytest.approx(mask.sum() / 1000, rel=0.05)  # the cavity looks inwards: it counts off


def test_a_lesion_of_one_voxel_has_a_surface_and_an_empty_mask_is_refused() -> None:
    grid = Grid((9, 9, 9), (1, 1, 1), (0, 0, 0))
    mask = np.zeros(grid.shape, np.uint8)
    with pytest.raises(UserError, match="empty"):
        mask_surface(Volume(mask, grid))
    mask[4, 4, 4] = 3
    surface = mask_surface(Volume(mask, grid))
    assert is_closed(surface)
    assert 0 < enclosed_ml(surface) < 0.001
    np.testing.assert_allclose(points_of(surface).mean(0), (-4, -4, 4), atol=1e-5)
    assert len(triangles_of(surface)) == 8
    with pytest.raises(ValueError, match="inside"):
        mask_surface(Volume(mask, grid), -1.0)
