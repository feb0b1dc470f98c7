"""Oedema follows white matter, spares cortex and never enters fluid."""

import numpy as np
import pytest
from metastasis_brain import CENTER_RAS, GRIDS, OBLIQUE, STRAIGHT, made_up_soil, radius_from

from LesionLensLib.geometry import Grid
from LesionLensLib.training.brain import CSF, GREY, WHITE
from LesionLensLib.training.metastases.fields import SmoothField
from LesionLensLib.training.metastases.lattice import distance_mm
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.oedema import UNREACHED_MM, Oedema, arrival_mm, draw_oedema

PLACE = (CENTER_RAS[0] + 19.0, CENTER_RAS[1], CENTER_RAS[2] + 3.0)
NO_FINGERS = Oedema(12.0, 0.1, 0.0, SmoothField.draw(5.0, np.random.default_rng(0)))


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_in_white_matter_alone_the_front_arrives_after_the_millimetres_it_travelled(grid: Grid) -> None:
    distance = radius_from(grid, CENTER_RAS)
    source = distance <= 8
    arrival = arrival_mm(np.ones(grid.shape, np.float32), source, grid, 40.0)
    ring = (distance > 12) & (distance < 25)
    assert (arrival - (distance - 8))[ring] == pytest.approx(0, abs=1.6)
    assert (arrival - distance_mm(source, grid))[ring].mean() == pytest.approx(0, abs=0.6)


def test_a_wall_of_fluid_is_gone_around_not_through() -> None:
    speed = np.ones((20, 40, 40), np.float32)
    speed[:, :30, 20] = 0
    source = np.zeros(speed.shape, bool)
    source[10, 5, 15] = True
    grid = Grid((40, 40, 20), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    arrival = arrival_mm(speed, source, grid, 200.0)
    around = np.hypot(25, 5) + np.hypot(25, 5)
    assert arrival[10, 5, 25] == pytest.approx(around, rel=0.06)
    assert (arrival[:, :30, 20] == UNREACHED_MM).all()


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
@pytest.mark.parametrize("seed", range(3))
def test_oedema_is_never_in_fluid_nor_in_the_lesion_nor_outside_the_brain(grid: Grid, seed: int) -> None:
    soil = made_up_soil(grid, noise=0.0)
    lesion = radius_from(grid, PLACE) <= 6
    rng = np.random.default_rng(seed)
    share = draw_oedema(10.0, MetastasisRange(oedema_chance=1.0), rng).share_on(grid, soil.tissue, lesion)
    assert (share > 0.5).sum() * grid.voxel_ml > 0.2
    assert not share[soil.tissue == CSF].any()
    assert not share[lesion | (soil.tissue == 0)].any()


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_oedema_fills_white_matter_within_its_reach_and_hardly_any_cortex(grid: Grid) -> None:
    soil = made_up_soil(grid, noise=0.0)
    lesion = radius_from(grid, PLACE) <= 6
    wet = NO_FINGERS.share_on(grid, soil.tissue, lesion) > 0.5
    near = (radius_from(grid, PLACE) < 6 + 12 - 4) & ~lesion
    to_cortex = radius_from(grid, CENTER_RAS) < 28.5
    behind = radius_from(grid, CENTER_RAS) < 9
    assert wet[near & (soil.tissue == WHITE) & to_cortex & ~behind].mean() > 0.97
    assert wet[near & (soil.tissue == GREY)].mean() < 0.05
    assert not wet[radius_from(grid, PLACE) > 6 + 12 + 1].any()


def test_an_oedema_without_reach_is_none() -> None:
    soil = made_up_soil(OBLIQUE, noise=0.0)
    dry = Oedema(0.0, 0.1, 0.3, SmoothField.draw(5.0, np.random.default_rng(0)))
    assert not dry.share_on(OBLIQUE, soil.tissue, radius_from(OBLIQUE, PLACE) <= 6).any()


def test_fingers_make_the_front_uneven() -> None:
    soil, lesion = made_up_soil(STRAIGHT, noise=0.0), radius_from(STRAIGHT, PLACE) <= 5
    even = NO_FINGERS.share_on(STRAIGHT, soil.tissue, lesion) > 0.5
    field = SmoothField.draw(5.0, np.random.default_rng(0))
    fingered = Oedema(12.0, 0.1, 0.6, field).share_on(STRAIGHT, soil.tissue, lesion) > 0.5
    assert (even ^ fingered).sum() > 0.1 * even.sum()
    assert field.on(STRAIGHT)[even & ~fingered].mean() < field.on(STRAIGHT)[fingered & ~even].mean()
