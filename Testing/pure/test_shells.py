"""Shells around a lesion: millimetres on any grid, cut to the brain, the lesion whole."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from LesionLensLib.errors import UserError
from LesionLensLib.explain.distance import signed_distance_mm
from LesionLensLib.explain.shells import lesion_shells
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume


def centres(grid: Grid) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return grid.ras_from_ijk(np.stack([i, j, k], axis=-1))


def ball(grid: Grid, radius_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a ball about the middle of a grid, and the distance of every voxel to its middle."""
    away = np.linalg.norm(centres(grid) - grid.ras_from_ijk((np.array(grid.size) - 1) / 2 + 0.13), axis=-1)
    return away <= radius_mm, away


def test_the_distance_is_the_one_in_patient_space_on_an_oblique_left_handed_anisotropic_grid(
    oblique_grid: Grid,
) -> None:
    mask = np.random.default_rng(3).random(oblique_grid.shape) < 0.1
    points = centres(oblique_grid)
    expected = np.empty(oblique_grid.shape)
    expected[~mask] = cdist(points[~mask], points[mask]).min(1)
    expected[mask] = -cdist(points[mask], points[~mask]).min(1)
    np.testing.assert_allclose(signed_distance_mm(mask, oblique_grid, 1e3, 1e3), expected, atol=1e-4)


def test_beyond_its_reach_the_distance_is_infinite_and_within_it_the_same(oblique_grid: Grid) -> None:
    mask = np.zeros(oblique_grid.shape, dtype=bool)
    mask[2:5, 4:8, 5:9] = True
    far, near = signed_distance_mm(mask, oblique_grid, 1e3, 1e3), signed_distance_mm(mask, oblique_grid, 3.0, 1.0)
    within = (far <= 3.0) & (far >= -1.0)
    np.testing.assert_array_equal(near[within], far[within])
    assert np.isposinf(near[far > 3.0]).all()
    assert np.isneginf(near[far < -1.0]).all()
    assert 0 < within.sum() < within.size


def test_the_border_of_the_image_is_no_edge_of_the_lesion() -> None:
    grid = Grid((9, 9, 9), (1, 1, 1), (0, 0, 0))
    mask = np.zeros(grid.shape, dtype=bool)
    mask[:, :, :6] = True  # runs out of the image on five sides
    distance = signed_distance_mm(mask, grid, 10, 10)
    np.testing.assert_array_equal(distance[4, 4], [-6, -5, -4, -3, -2, -1, 1, 2, 3])
    assert np.isneginf(signed_distance_mm(np.ones(grid.shape, dtype=bool), grid, 10, 10)).all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 1.2)])
def test_shells_of_a_ball_have_the_volumes_of_geometry_wherever_the_axes_point(
    spacing: tuple[float, float, float], oblique_grid: Grid
) -> None:
    size = [int(64 / step) for step in spacing]
    grid = Grid(tuple(size), spacing, (5, -9, 70), oblique_grid.direction_lps)  # type: ignore[arg-type]
    mask, away = ball(grid, 9.0)
    labels = lesion_shells(Volume(mask, grid)).layers[0].array
    for value, (near, far) in {1: (0, 6), 2: (6, 9), 3: (9, 14), 4: (14, 19), 5: (19, 29)}.items():
        exact_ml = 4 / 3 * np.pi * (far**3 - near**3) / 1000
        assert np.count_nonzero(labels == value) * grid.voxel_ml == pytest.approx(exact_ml, rel=0.12), value
        strictly = (away > near + 1.0) & (away < far - 1.0)  # more than a voxel from the edges of the shell
        assert set(labels[strictly]) == {value}
    assert not labels[away > 30].any()


def test_a_voxel_exactly_on_an_edge_belongs_to_the_shell_that_ends_there_along_every_axis() -> None:
    grid = Grid((31, 31, 31), (0.7, 2.5, 1.0), (0, 0, 0))
    mask = np.zeros(grid.shape, dtype=bool)
    mask[15, 15, 15] = True
    labels = lesion_shells(Volume(mask, grid), outer_edges_mm=(5.0, 7.0, 10.0)).layers[0].array
    assert labels[15, 17, 15] == 3  # 2 x 2.5 mm = 5 mm
    assert labels[20, 15, 15] == labels[10, 15, 15] == 3  # 5 x 1 mm
    assert labels[15, 15, 25] == labels[15, 15, 5] == 4  # 10 x 0.7 mm = 7 mm
    assert labels[15, 18, 15] == 5  # 7.5 mm


def test_a_thin_lesion_is_all_rim() -> None:
    grid = Grid((20, 20, 20), (1, 1, 1), (0, 0, 0))
    mask, _ = ball(grid, 2.5)
    shells = lesion_shells(Volume(mask, grid))
    assert not (shells.layers[0].array == 1).any()
    assert np.array_equal(shells.layers[0].array == 2, mask)
    assert [region.name for region in shells.regions] == [
        "core, deeper than 3 mm",
        "rim, outer 3 mm",
        "0 to 5 mm outside",
        "5 to 10 mm outside",
        "10 to 20 mm outside",
    ]


def test_outside_of_the_brain_there_is_no_shell_but_the_lesion_is_never_cut() -> None:
    grid = Grid((40, 40, 40), (1, 1, 1), (0, 0, 0))
    mask, _ = ball(grid, 6.0)
    brain = np.zeros(grid.shape, dtype=np.uint8)
    brain[:, :, :20] = 1
    whole = lesion_shells(Volume(mask, grid)).layers[0].array
    cut = lesion_shells(Volume(mask, grid), Volume(brain, grid)).layers[0].array
    np.testing.assert_array_equal(cut[:, :, :20], whole[:, :, :20])
    np.testing.assert_array_equal(cut[:, :, 20:] > 0, mask[:, :, 20:])


def test_shells_that_make_no_sense_are_refused() -> None:
    grid = Grid((8, 8, 8), (1, 1, 1), (0, 0, 0))
    one = Volume(np.ones(grid.shape, np.uint8), grid)
    with pytest.raises(UserError, match="empty"):
        lesion_shells(one.with_array(np.zeros(grid.shape, np.uint8)))
    with pytest.raises(ValueError, match="ascending"):
        lesion_shells(one, outer_edges_mm=(10.0, 5.0))
    with pytest.raises(ValueError, match="grid of the lesion"):
        lesion_shells(one, Volume(np.ones((8, 8, 9), np.uint8), Grid((9, 8, 8), (1, 1, 1), (0, 0, 0))))
