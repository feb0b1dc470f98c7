"""The paper's seven steps to a coloured surface, each by itself and together."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vtkmodules", reason="VTK is not installed (optional group: scene)")

from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from surface_cases import (
    ball,
    centres,
    enclosed_ml,
    euler_characteristic,
    grid_about,
    is_closed,
    sphere_points,
)

from LesionLensLib.display.polydata import make_surface, point_arrays_of, points_of, triangles_of
from LesionLensLib.errors import UserError
from LesionLensLib.explain.surface.mesh import largest_part, parts_of
from LesionLensLib.explain.surface.neighbours import coloured_by_nearest
from LesionLensLib.explain.surface.normals import nearest_points, normal_lines, orient, oriented_normals
from LesionLensLib.explain.surface.point_cloud import PointCloud, cloud_about, unit_cloud, voxel_cloud
from LesionLensLib.explain.surface.poisson import poisson_surface
from LesionLensLib.explain.surface.sampling import sample_surface
from LesionLensLib.explain.surface.seven_steps import SevenSteps, coloured_surface
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

CENTRE = (31.0, -22.0, 55.0)


def cloud_of(points: np.ndarray, impact: np.ndarray) -> PointCloud:
    return PointCloud(points, impact.astype(np.float32), np.tile(np.uint8([10, 20, 30]), (len(points), 1)))


def test_step_1_gives_every_voxel_of_a_region_its_place_impact_and_colour(oblique_grid: Grid) -> None:
    impact = Volume(np.random.default_rng(0).normal(size=oblique_grid.shape).astype(np.float32), oblique_grid)
    region = np.zeros(oblique_grid.shape, np.uint8)
    region[2:4, 3:6, 1:9] = 1
    cloud = voxel_cloud(impact, Volume(region, oblique_grid))
    order = np.lexsort(cloud.points_ras.T)
    expected = centres(oblique_grid)[region == 1]
    np.testing.assert_allclose(cloud.points_ras[order], expected[np.lexsort(expected.T)], atol=1e-9)
    np.testing.assert_allclose(np.sort(cloud.impact), np.sort(impact.array[region == 1]), atol=1e-5)
    negative = cloud.rgb[cloud.impact < -0.5].astype(int)
    assert (negative[:, 2] > negative[:, 0]).all()  # blue
    with pytest.raises(UserError, match="empty"):
        voxel_cloud(impact, Volume(np.zeros_like(region), oblique_grid))


def test_step_2_scales_every_axis_to_0_1_and_keeps_the_way_back() -> None:
    points = np.random.default_rng(1).uniform((-70, 10, 5), (20, 14, 5.0001), (50, 3))
    unit = unit_cloud(cloud_of(points, np.zeros(50)))
    np.testing.assert_allclose(unit.points.min(0), 0, atol=1e-12)
    np.testing.assert_allclose(unit.points.max(0), 1)
    np.testing.assert_allclose(unit.restored().points_ras, points, atol=1e-9)
    flat = unit_cloud(cloud_of(points * [1, 1, 0], np.zeros(50)))
    assert flat.scale_mm[2] == 1.0
    assert (flat.points[:, 2] == 0).all()


def test_step_4_draws_as_many_points_on_every_square_millimetre_and_only_on_the_surface() -> None:
    corners = np.array([[0, 0, 0], [4, 0, 0], [0, 1, 0], [10, 0, 5], [10, 3, 5], [10, 0, 9.0]])
    surface = make_surface(corners, np.array([[0, 1, 2], [3, 4, 5]]))  # 2 mm2 and 6 mm2
    points = sample_surface(surface, 40_000, seed=3)
    second = points[:, 0] == 10
    assert second.mean() == pytest.approx(0.75, abs=0.01)
    first = points[~second]
    assert (first[:, 2] == 0).all()
    assert (first[:, 0] / 4 + first[:, 1] <= 1 + 1e-6).all()
    np.testing.assert_allclose(first.mean(0), (4 / 3, 1 / 3, 0), atol=0.05)  # the centroid: uniform within
    np.testing.assert_array_equal(points, sample_surface(surface, 40_000, seed=3))
    assert not np.array_equal(points, sample_surface(surface, 40_000, seed=4))
    with pytest.raises(ValueError, match="area"):
        sample_surface(make_surface(np.zeros((3, 3)), np.array([[0, 1, 2]])))


def test_step_5_is_the_mean_of_the_ten_nearest() -> None:
    random = np.random.default_rng(5)
    points, impact = random.normal(size=(300, 3)), random.normal(size=300)
    original = PointCloud(points, impact.astype(np.float32), random.integers(0, 256, (300, 3)).astype(np.uint8))
    asked = random.normal(size=(7, 3))
    result = coloured_by_nearest(asked, original)
    for n in range(7):
        nearest = np.argsort(np.linalg.norm(points - asked[n], axis=1))[:10]
        assert result.impact[n] == pytest.approx(impact[nearest].mean(), abs=1e-6)
        np.testing.assert_array_equal(result.rgb[n], np.rint(original.rgb[nearest].mean(0)))
    few = coloured_by_nearest(asked, cloud_of(points[:1], impact[:1]))
    np.testing.assert_allclose(few.impact, impact[0], atol=1e-6)


def test_the_voxels_about_the_points_give_the_same_colours_as_all_voxels_of_the_grid(oblique_grid: Grid) -> None:
    grid = oblique_grid.cropped((-9, -7, -5), (31, 25, 17))
    impact = Volume(np.random.default_rng(0).normal(size=grid.shape).astype(np.float32), grid)
    points = grid.ras_from_ijk(np.random.default_rng(1).uniform((5, 5, 4), (25, 19, 12), (60, 3)))
    near, every = cloud_about(impact, grid, points), voxel_cloud(impact, impact.with_array(np.ones(grid.shape)))
    assert len(near.points_ras) < 0.7 * len(every.points_ras)
    some, all_ = coloured_by_nearest(points, near), coloured_by_nearest(points, every)
    np.testing.assert_allclose(some.impact, all_.impact, atol=1e-6)
    np.testing.assert_array_equal(some.rgb, all_.rgb)


def bumpy(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy points on a bumpy ellipsoid of about 15 mm and its outward normals without the noise."""
    _, d = sphere_points(count, 1.0, seed=7)
    a, b = 1 + 0.12 * np.sin(5 * d[:, 0]), 0.12 * 5 * np.cos(5 * d[:, 0])
    scale = np.array([15.0, 10.5, 7.5])
    points = scale * d * a[:, None]
    # The outside is |q| = 1 + 0.12 sin(5 qx / |q|) with q = p / scale: its gradient, up to length.
    along_x = np.eye(3)[0] - d * d[:, :1]
    gradient = (d - b[:, None] * along_x / a[:, None]) / scale
    noise = np.random.default_rng(8).normal(scale=0.045, size=points.shape)
    return points + noise, gradient / np.linalg.norm(gradient, axis=1, keepdims=True)


def test_step_6_finds_the_analytic_normals_and_turns_more_than_999_of_1000_outwards() -> None:
    points, truth = bumpy(8000)
    normals = oriented_normals(points)
    cosine = np.einsum("ij,ij->i", normals, truth)
    assert (cosine > 0).mean() > 0.999
    assert np.median(cosine) > 0.99
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-9)


def test_step_6_turns_every_part_outwards_by_itself() -> None:
    balls = [(8, (0, 0, 0)), (5, (30, 0, -40)), (3, CENTRE)]
    parts = [sphere_points(1500, radius, centre, seed) for seed, (radius, centre) in enumerate(balls)]
    points, truth = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    assert (np.einsum("ij,ij->i", oriented_normals(points), truth) > 0.9).all()
    with pytest.raises(ValueError, match="neighbours"):
        oriented_normals(points[:16])


def test_step_6_follows_the_sheets_of_a_thin_lens_around_its_rim() -> None:
    _, d = sphere_points(6000, 1.0, seed=3)
    points = d * [15.0, 15.0, 1.7]
    truth = d / [15.0, 15.0, 1.7]
    assert (np.einsum("ij,ij->i", oriented_normals(points), truth) > 0).mean() > 0.999


def test_step_6_turns_an_open_bowl_outwards_and_a_flat_sheet_upwards_whatever_signs_they_come_with() -> None:
    points, truth = sphere_points(6000, 10.0, seed=5)
    bowl = truth[:, 2] < -0.05
    assert (np.einsum("ij,ij->i", oriented_normals(points[bowl]), truth[bowl]) > 0).all()
    flat = np.random.default_rng(6).uniform(-10, 10, (800, 3)) * [1, 1, 0]
    sheet = Rotation.from_euler("x", 50, degrees=True).apply(flat)
    nearest = nearest_points(sheet)
    for sign in (-1.0, 1.0):
        assert (orient(sheet, sign * normal_lines(sheet, nearest), nearest)[:, 2] > 0).all()


def test_the_signs_normals_come_with_change_neither_them_nor_the_mesh() -> None:
    points, _ = bumpy(3000)
    nearest = nearest_points(points)
    lines = normal_lines(points, nearest)
    flips = np.random.default_rng(2).choice([-1.0, 1.0], (len(points), 1))
    normals, again = orient(points, lines, nearest), orient(points, lines * flips, nearest)
    np.testing.assert_array_equal(normals, again)
    mesh, other = poisson_surface(points, normals, 64), poisson_surface(points, again, 64)
    np.testing.assert_array_equal(points_of(mesh), points_of(other))
    np.testing.assert_array_equal(triangles_of(mesh), triangles_of(other))


def voxel_mm(points: np.ndarray, side: int) -> float:
    return float(np.ptp(points, axis=0).max()) / (side - 2 * np.ceil(0.15 * side))


def test_step_7_makes_a_closed_sphere_without_handles_and_less_than_a_voxel_off() -> None:
    points, truth = sphere_points(6000, 20.0, CENTRE, seed=1)
    surface = poisson_surface(points, truth)
    radius = np.linalg.norm(points_of(surface) - CENTRE, axis=1)
    assert np.abs(radius - 20).max() < 0.5 * voxel_mm(points, 96)
    assert is_closed(surface)
    assert euler_characteristic(surface) == 2
    assert enclosed_ml(surface) == pytest.approx(4 / 3 * np.pi * 8, rel=0.005)


def test_where_points_lie_densely_the_surface_does_not_bulge() -> None:
    points, truth = sphere_points(20_000, 20.0, seed=1)
    kept = (truth[:, 2] > 0) | (np.arange(20_000) % 10 == 0)  # ten times as dense above
    radius = np.linalg.norm(points_of(poisson_surface(points[kept], truth[kept])), axis=1)
    assert np.abs(radius - 20).max() < voxel_mm(points, 96)


@pytest.mark.parametrize("turn", [(1, 2, 0), (1, 0, 2)])
def test_turning_the_points_by_90_degrees_turns_the_mesh_within_half_a_voxel(turn: tuple[int, ...]) -> None:
    points, truth = bumpy(6000)
    sign = np.array([1.0, -1.0, 1.0]) if turn == (1, 0, 2) else np.ones(3)
    mesh = points_of(poisson_surface(points, truth, 64))
    turned = points_of(poisson_surface(points[:, turn] * sign, truth[:, turn] * sign, 64))
    expected = mesh[:, turn] * sign
    limit = 0.5 * voxel_mm(points, 64)
    assert cKDTree(expected).query(turned)[0].max() < limit
    assert cKDTree(turned).query(expected)[0].max() < limit


def test_two_spheres_give_two_parts_unless_only_the_largest_is_asked_for() -> None:
    (a, na), (b, nb) = sphere_points(4000, 10.0, (0, 0, 0), 1), sphere_points(2000, 6.0, (25, 0, 0), 2)
    points, normals = np.concatenate([a, b]), np.concatenate([na, nb])
    both = poisson_surface(points, normals, 64)
    assert len(np.unique(parts_of(both))) == 2
    assert euler_characteristic(both) == 4
    assert is_closed(both)
    one = poisson_surface(points, normals, 64, largest_only=True)
    np.testing.assert_allclose(np.linalg.norm(points_of(one), axis=1), 10, atol=0.5)
    assert is_closed(one)
    np.testing.assert_array_equal(points_of(largest_part(both)), points_of(one))


def test_an_open_cloud_is_closed_up_unless_it_is_said_to_be_open() -> None:
    points, truth = sphere_points(12_000, 20.0, seed=4)
    cap = truth[:, 2] > -0.3
    assert is_closed(poisson_surface(points[cap], truth[cap], 64))
    surface = poisson_surface(points[cap], truth[cap], 64, is_closed=False)
    assert not is_closed(surface)
    assert points_of(surface)[:, 2].min() > -0.3 * 20 - 2.5
    np.testing.assert_allclose(np.linalg.norm(points_of(surface), axis=1), 20, atol=1.0)


def test_clouds_without_a_surface_are_refused() -> None:
    with pytest.raises(ValueError, match="no surface"):
        poisson_surface(np.zeros((10, 3)), np.ones((10, 3)))
    with pytest.raises(ValueError, match="no surface"):
        poisson_surface(*sphere_points(100, 5.0), side=8)


@pytest.fixture(scope="module")
def steps(oblique_grid: Grid) -> tuple[np.ndarray, dict[str, np.ndarray], object]:
    """All seven steps for a ball of 12 mm on the oblique grid; the left half has impact 1, the right half -1."""
    grid = grid_about(CENTRE, 40, (0.7, 1.3, 3.1), oblique_grid.direction_lps)
    impact = Volume(np.where(centres(grid)[..., 0] < CENTRE[0], 1.0, -1.0).astype(np.float32), grid)
    surface = coloured_surface(impact, ball(grid, CENTRE, 12.0), SevenSteps(points=6000, side=64))
    return points_of(surface), point_arrays_of(surface), surface


def test_all_seven_steps_put_the_ball_where_it_is_closed_and_right_side_out(
    steps: tuple[np.ndarray, dict[str, np.ndarray], object],
) -> None:
    points, arrays, surface = steps
    away = points - CENTRE
    radius = np.linalg.norm(away, axis=1)
    assert np.abs(radius - 12).max() < 1.6
    assert is_closed(surface)
    assert enclosed_ml(surface) == pytest.approx(4 / 3 * np.pi * 12**3 / 1000, rel=0.05)
    assert (np.einsum("ij,ij->i", arrays["Normals"], away) > 0).all()


def test_all_seven_steps_show_the_impact_of_the_left_on_the_left(
    steps: tuple[np.ndarray, dict[str, np.ndarray], object],
) -> None:
    points, arrays, surface = steps
    left, right = points[:, 0] < CENTRE[0] - 5, points[:, 0] > CENTRE[0] + 5
    assert (arrays["impact"][left] > 0.99).all()
    assert (arrays["impact"][right] < -0.99).all()
    colours = arrays["rgb"].astype(int)
    assert (colours[left, 0] > colours[left, 2] + 100).all()  # red
    assert (colours[right, 2] > colours[right, 0] + 100).all()  # blue
    assert arrays["rgb"].dtype == np.uint8
    assert surface.GetPointData().GetScalars().GetName() == "impact"  # type: ignore[attr-defined]


def test_a_constant_impact_has_one_colour_everywhere_and_a_cavity_is_filled() -> None:
    grid = Grid((30, 30, 30), (1, 1, 1), (0, 0, 0))
    middle = grid.ras_from_ijk((14.5, 14.5, 14.5))
    mask = ball(grid, middle, 10.0)
    hollow = mask.with_array(mask.array - ball(grid, middle, 5.0).array)
    impact = Volume(np.full(grid.shape, 0.2, np.float32), grid)
    surface = coloured_surface(impact, hollow, SevenSteps(points=3000, side=64))
    arrays = point_arrays_of(surface)
    assert len(np.unique(arrays["rgb"], axis=0)) == 1
    np.testing.assert_allclose(arrays["impact"], 0.2, atol=1e-6)
    assert len(np.unique(parts_of(surface))) == 1
    assert enclosed_ml(surface) == pytest.approx(mask.array.sum() / 1000, rel=0.05)


def test_colours_come_from_voxels_on_both_sides_of_the_surface() -> None:
    grid = grid_about(CENTRE, 40, (1.0, 1.0, 2.0), np.eye(3).ravel())
    away = Volume(np.linalg.norm(centres(grid) - CENTRE, axis=-1).astype(np.float32), grid)
    surface = coloured_surface(away, ball(grid, CENTRE, 12.0), SevenSteps(points=3000, side=64))
    radius = np.linalg.norm(points_of(surface) - CENTRE, axis=1)
    assert np.mean(point_arrays_of(surface)["impact"] - radius) == pytest.approx(0, abs=0.15)
