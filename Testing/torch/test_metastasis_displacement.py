"""Mass effect pushes tissue outwards, leaves the skull in place, and never folds."""

import numpy as np
import pytest
from metastasis_brain import CENTER_RAS, GRIDS, OBLIQUE, STRAIGHT, made_up_soil, radius_from
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.training.brain import CSF
from LesionLensLib.training.metastases.displacement import SMALLEST_JACOBIAN, bend, push_apart

PLACE = (CENTER_RAS[0] + 6.0, CENTER_RAS[1] - 10.0, CENTER_RAS[2] + 4.0)


def center_of(mask: np.ndarray, grid: Grid) -> np.ndarray:
    return grid.ras_from_ijk(np.array(ndimage.center_of_mass(mask))[::-1])


def walls(mask: np.ndarray, grid: Grid) -> tuple[float, float]:
    """Where a body begins and ends from left to right, in mm."""
    k, j, i = np.nonzero(mask)
    low, high = np.percentile(grid.ras_from_ijk(np.stack([i, j, k], axis=-1))[:, 0], (2, 98))
    return float(low), float(high)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_the_jacobian_at_the_centre_is_that_of_the_formula(grid: Grid) -> None:
    everywhere = np.ones(grid.shape, bool)
    field = push_apart(grid, CENTER_RAS, 2.0, 10.0, everywhere)
    k, j, i = np.round(field.grid.ijk_from_ras(CENTER_RAS)).astype(int)[::-1]
    assert field.jacobian()[k, j, i] == pytest.approx((1 - 0.2 * np.exp(0.5)) ** 3, rel=0.05)
    assert np.linalg.norm(field.vectors, axis=-1).max() == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("strength_mm", [1.0, 4.0, 12.0])
def test_no_mass_effect_folds_however_strong_it_was_asked_for(strength_mm: float) -> None:
    soil = made_up_soil(OBLIQUE, noise=0.0)
    field = push_apart(OBLIQUE, PLACE, strength_mm, 9.0, soil.brain)
    assert field.jacobian().min() >= SMALLEST_JACOBIAN
    assert np.linalg.norm(field.vectors, axis=-1).max() > 0.5


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_a_spot_beside_the_mass_moves_away_from_it(grid: Grid) -> None:
    soil = made_up_soil(grid, noise=0.0)
    toward = np.array([1.0, 0.5, -0.7]) / np.linalg.norm([1.0, 0.5, -0.7])
    spot = radius_from(grid, tuple(np.array(CENTER_RAS) + 10 * toward)) <= 3
    field = push_apart(grid, CENTER_RAS, 3.0, 10.0, soil.brain)
    moved = field.warp(spot.astype(np.float32), grid, "linear")
    shift = center_of(moved, grid) - center_of(spot, grid)
    assert shift @ toward == pytest.approx(3.0, abs=0.7)
    assert np.linalg.norm(shift - (shift @ toward) * toward) < 0.3


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_the_skull_stays_and_a_fluid_space_beside_the_mass_is_squeezed(grid: Grid) -> None:
    soil = made_up_soil(grid)
    place = (CENTER_RAS[0] + 13.0, CENTER_RAS[1], CENTER_RAS[2])
    field = push_apart(grid, place, 3.0, 9.0, soil.brain)
    moved = soil.moved(field)
    assert np.array_equal(moved.brain, soil.brain)
    assert np.array_equal(moved.tissue > 0, soil.brain)
    edge = soil.brain & ~ndimage.binary_erosion(soil.brain)
    assert moved.channels[:, edge] == pytest.approx(soil.channels[:, edge], abs=40)
    far_before, near_before = walls(soil.tissue == CSF, grid)
    far, near = walls(moved.tissue == CSF, grid)
    assert near < near_before - 1.5, "the wall beside the mass is pushed to the left"
    assert abs(far - far_before) <= 1.0


@pytest.mark.parametrize("seed", range(3))
def test_a_bend_never_folds_and_is_zero_outside_the_brain(seed: int) -> None:
    soil = made_up_soil(STRAIGHT)
    field = bend(STRAIGHT, 3.0, 28.0, soil.brain, np.random.default_rng(seed))
    assert field.jacobian().min() >= SMALLEST_JACOBIAN
    outside = radius_from(field.grid, CENTER_RAS) > 36
    assert not field.vectors[outside].any()
    assert np.linalg.norm(field.vectors, axis=-1).max() > 1
