"""The bodies of simulated metastases against balls, and the same on every grid."""

import numpy as np
import pytest
from metastasis_brain import CENTER_RAS, GRIDS, OBLIQUE, STRAIGHT, radius_from

from LesionLensLib.geometry import Grid
from LesionLensLib.training.metastases.fields import SmoothField
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.shape import MetastasisShape, StarBody, draw_shape

NECROTIC = MetastasisRange(necrosis_chance=(1.0, 1.0), core_share=(0.3, 0.5))


def plain_ball(radius_mm: float, core_scale: float = 0.0) -> MetastasisShape:
    field = SmoothField.draw(0.5, np.random.default_rng(0))
    return MetastasisShape(StarBody(CENTER_RAS, radius_mm, np.eye(3), 0.0, field), core_scale, 0.0, field, 0.5)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
@pytest.mark.parametrize("radius_mm", [3.0, 9.0, 15.0])
def test_a_smooth_body_is_a_ball_of_its_radius_around_its_centre(grid: Grid, radius_mm: float) -> None:
    body, core = plain_ball(radius_mm, core_scale=0.5).shares_on(grid)
    volume = 4 / 3 * np.pi * radius_mm**3 / 1000
    assert body.sum() * grid.voxel_ml == pytest.approx(volume, rel=0.02)
    assert core.sum() * grid.voxel_ml == pytest.approx(volume / 8, rel=0.06)
    distance = radius_from(grid, CENTER_RAS)
    assert (body[distance < radius_mm - 1.5] == 1).all()
    assert not body[distance > radius_mm + 1.5].any()


@pytest.mark.parametrize("seed", range(4))
def test_a_rough_body_keeps_the_volume_it_was_drawn_with_and_is_no_ball(seed: int) -> None:
    shape = draw_shape(CENTER_RAS, 10.0, MetastasisRange(), np.random.default_rng(seed))
    body, _ = shape.shares_on(STRAIGHT)
    assert body.sum() * STRAIGHT.voxel_ml == pytest.approx(4.18879, rel=0.03)
    distance = radius_from(STRAIGHT, CENTER_RAS)
    assert distance[body > 0.5].max() > 10.8
    assert distance[body < 0.5].min() < 9.2


@pytest.mark.parametrize("seed", range(4))
def test_the_core_lies_inside_and_leaves_a_rim_of_the_stated_thickness(seed: int) -> None:
    shape = draw_shape(CENTER_RAS, 10.0, NECROTIC, np.random.default_rng(seed))
    directions = np.random.default_rng(9).normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    outer = shape.body.radius_along(directions)
    inner = shape._core_radius(directions, outer)
    assert (outer - inner).min() >= shape.thinnest_rim_mm - 1e-9
    body, core = shape.shares_on(STRAIGHT)
    assert (core > 0.5).sum() > 100
    assert (body[core > 0.5] > 0.99).all()


def test_a_lesion_too_small_for_a_visible_core_is_solid() -> None:
    shapes = [draw_shape(CENTER_RAS, 2.0, NECROTIC, np.random.default_rng(seed)) for seed in range(10)]
    assert all(shape.core_scale == 0 for shape in shapes)


def test_the_same_lesion_lies_at_the_same_place_with_the_same_volume_on_every_grid() -> None:
    shape = draw_shape(CENTER_RAS, 11.0, NECROTIC, np.random.default_rng(5))
    volumes, centroids = [], []
    for grid in (STRAIGHT, OBLIQUE):
        body, core = shape.shares_on(grid)
        volumes.append([share.sum() * grid.voxel_ml for share in (body, core)])
        k, j, i = np.nonzero(body > 0.5)
        centroids.append(grid.ras_from_ijk(np.stack([i, j, k], axis=-1)).mean(axis=0))
    assert volumes[0] == pytest.approx(volumes[1], rel=0.02)
    assert centroids[0] == pytest.approx(centroids[1], abs=0.15)
    assert np.linalg.norm(centroids[0] - np.array(CENTER_RAS)) > 0.2, "a lesion this lopsided tells mirrored axes"


def test_a_field_on_a_grid_is_the_field_at_its_voxels() -> None:
    field = SmoothField.draw(3.0, np.random.default_rng(1))
    k, j, i = np.meshgrid(*(np.arange(n) for n in OBLIQUE.shape), indexing="ij")
    points = OBLIQUE.ras_from_ijk(np.stack([i, j, k], axis=-1))
    assert field.on(OBLIQUE)[::7, ::9, ::11] == pytest.approx(field.at(points[::7, ::9, ::11]), abs=1e-4)


def test_fields_have_unit_deviation_and_the_correlation_length_they_are_drawn_with() -> None:
    points = np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 40.0]])
    values = np.stack([SmoothField.draw(4.0, np.random.default_rng(seed)).at(points) for seed in range(3000)])
    assert values.std(axis=0) == pytest.approx([1, 1, 1], abs=0.05)
    correlation = np.corrcoef(values.T)
    assert correlation[0, 1] == pytest.approx(np.exp(-0.5), abs=0.05)
    assert correlation[0, 2] == pytest.approx(0, abs=0.06)
