"""Grid: where voxels lie, for grids as awkward as files bring them."""

from __future__ import annotations

import numpy as np
import pytest

from LesionLensLib.geometry import Grid, flip_lps_ras


def test_the_first_voxel_of_a_file_at_lps_12_minus40_33_lies_at_ras_minus12_40_33(oblique_grid: Grid) -> None:
    np.testing.assert_allclose(oblique_grid.ras_from_ijk((0, 0, 0)), (-12.0, 40.0, 33.0))


def test_one_step_along_k_moves_by_its_spacing_along_its_direction_with_x_and_y_flipped(oblique_grid: Grid) -> None:
    step = oblique_grid.ras_from_ijk((0, 0, 1)) - oblique_grid.ras_from_ijk((0, 0, 0))
    direction = np.reshape(oblique_grid.direction_lps, (3, 3))[:, 2]
    np.testing.assert_allclose(step, 3.1 * direction * (-1, -1, 1))


def test_indices_survive_the_way_to_ras_and_back(oblique_grid: Grid) -> None:
    ijk = np.random.default_rng(0).uniform(-5, 20, (50, 3))
    np.testing.assert_allclose(oblique_grid.ijk_from_ras(oblique_grid.ras_from_ijk(ijk)), ijk, atol=1e-10)


def test_slicers_matrix_and_a_dictionary_both_restore_the_grid(oblique_grid: Grid) -> None:
    assert Grid.from_ijk_to_ras(oblique_grid.ijk_to_ras, oblique_grid.size).is_close(oblique_grid, 1e-9)
    assert Grid.from_dict(oblique_grid.to_dict()) == oblique_grid


def test_a_left_handed_grid_is_known_as_such_and_stays_so(oblique_grid: Grid) -> None:
    assert oblique_grid.is_left_handed
    assert Grid.from_ijk_to_ras(oblique_grid.ijk_to_ras, oblique_grid.size).is_left_handed
    assert not Grid((2, 2, 2), (1, 1, 1), (0, 0, 0)).is_left_handed


def test_the_array_shape_is_the_size_backwards_and_a_voxel_holds_its_millilitres(oblique_grid: Grid) -> None:
    assert oblique_grid.shape == (7, 11, 13)
    assert oblique_grid.voxel_ml == pytest.approx(0.7 * 1.3 * 3.1 / 1000)


def test_a_cropped_grid_keeps_every_voxel_where_it_was(oblique_grid: Grid) -> None:
    part = oblique_grid.cropped((2, -1, 3), (5, 14, 3))
    np.testing.assert_allclose(part.ras_from_ijk((1, 4, 2)), oblique_grid.ras_from_ijk((3, 3, 5)))


def test_a_grid_of_other_spacing_covers_the_same_box_about_the_same_centre(oblique_grid: Grid) -> None:
    fine = oblique_grid.with_spacing((1.0, 1.0, 1.0))
    assert fine.size == (10, 15, 22)  # 9.1 mm, 14.3 mm and 21.7 mm, rounded up
    middle, fine_middle = (np.array(oblique_grid.size) - 1) / 2, (np.array(fine.size) - 1) / 2
    np.testing.assert_allclose(fine.ras_from_ijk(fine_middle), oblique_grid.ras_from_ijk(middle), atol=1e-9)
    assert fine.direction_lps == oblique_grid.direction_lps


def test_overlap_is_measured_in_space_not_in_indices(oblique_grid: Grid) -> None:
    assert oblique_grid.overlap_fraction(oblique_grid) == 1.0
    half = oblique_grid.cropped((0, 0, 0), (13, 11, 4)).overlap_fraction(oblique_grid.cropped((0, 0, 2), (13, 11, 5)))
    assert half == pytest.approx(0.5)
    assert oblique_grid.overlap_fraction(oblique_grid.cropped((100, 0, 0), (13, 11, 7))) == 0.0


def test_grids_differ_when_the_far_corner_differs_even_if_the_matrices_are_nearly_equal() -> None:
    grid = Grid((400, 400, 400), (1, 1, 1), (0, 0, 0))
    angle = 1e-4
    turn = (np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle), 0, 0, 0, 1)
    turned = Grid((400, 400, 400), (1, 1, 1), (0, 0, 0), turn)
    assert not grid.is_close(turned, tolerance_mm=0.03)  # 0.04 mm at the far corner
    assert grid.is_close(turned, tolerance_mm=0.05)
    assert grid.sha256() != turned.sha256()


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": (0, 4, 4)},
        {"spacing_mm": (1.0, 0.0, 1.0)},
        {"spacing_mm": (1.0, float("nan"), 1.0)},
        {"origin_lps": (float("inf"), 0.0, 0.0)},
        {"direction_lps": (1, 0.3, 0, 0, 1, 0, 0, 0, 1)},
        {"direction_lps": (1, 0, 0, 0, 1, 0, 0, 0, 0)},
    ],
)
def test_an_impossible_grid_is_refused(wrong: dict[str, tuple[float, ...]]) -> None:
    sound = {"size": (4, 4, 4), "spacing_mm": (1.0, 1.0, 1.0), "origin_lps": (0.0, 0.0, 0.0)}
    with pytest.raises(ValueError, match=r"a grid|the axes"):
        Grid(**{**sound, **wrong})  # type: ignore[arg-type]


def test_ras_and_lps_differ_by_the_sign_of_x_and_y_only() -> None:
    np.testing.assert_array_equal(flip_lps_ras([[1, 2, 3], [-4, 5, -6]]), [[-1, -2, 3], [4, -5, -6]])
