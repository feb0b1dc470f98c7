"""How a map lies to a truth that is known, on any grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from LesionLensLib.explain.validity.pointing import point
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def truth(oblique_grid: Grid) -> np.ndarray:
    mask = np.zeros(oblique_grid.shape, dtype=bool)
    mask[2:4, 4:7, 5:9] = True
    return mask


def on(grid: Grid, values: np.ndarray) -> Volume:
    return Volume(values.astype(np.float32), grid)


def test_the_truth_itself_points_perfectly(oblique_grid: Grid, truth: np.ndarray) -> None:
    found = point(on(oblique_grid, -2.0 * truth), truth)
    assert (found.hit, found.distance_mm, found.energy_share, found.overlap) == (1.0, 0.0, 1.0, 1.0)
    assert found.chance == pytest.approx(24 / truth.size)


def test_a_peak_beside_the_truth_is_as_far_as_it_is_in_mm(oblique_grid: Grid, truth: np.ndarray) -> None:
    values = np.full(truth.shape, 0.5)
    values[5, 6, 10] = -9.0  # two slices of 3.1 mm and two columns of 0.7 mm away
    impact = on(oblique_grid, values)
    found = point(impact, truth)
    expected = np.hypot(2 * 3.1, 2 * 0.7)
    nearest = oblique_grid.ras_from_ijk([8, 6, 3])
    assert np.linalg.norm(oblique_grid.ras_from_ijk([10, 6, 5]) - nearest) == pytest.approx(expected)
    assert found.hit == 0.0
    assert found.distance_mm == pytest.approx(expected)
    assert point(impact, truth, tolerance_mm=expected + 1e-6).hit == 1.0
    energy = 0.25 * 24 / (0.25 * (truth.size - 1) + 81)
    assert found.energy_share == pytest.approx(energy)


def test_a_flat_map_points_no_better_than_chance(oblique_grid: Grid, truth: np.ndarray) -> None:
    found = point(on(oblique_grid, np.ones(truth.shape)), truth)
    assert found.hit == pytest.approx(found.chance)
    assert found.energy_share == pytest.approx(found.chance)
    assert found.overlap == pytest.approx(found.chance)


def test_as_many_of_the_strongest_voxels_as_the_truth_has_are_compared_with_it(
    oblique_grid: Grid, truth: np.ndarray
) -> None:
    values = np.zeros(truth.shape)
    values[2, 4:7, 5:9] = 3.0  # twelve of the 24
    values[0, :3, :4] = 2.0  # twelve elsewhere
    assert point(on(oblique_grid, values), truth).overlap == pytest.approx(0.5)


def test_only_voxels_of_the_region_count(oblique_grid: Grid, truth: np.ndarray) -> None:
    values = 1.0 * truth
    values[0, 0, 0] = 7.0
    within = np.ones(truth.shape, dtype=bool)
    within[0] = False
    found = point(on(oblique_grid, values), truth, within)
    assert found.hit == 1.0
    assert found.chance == pytest.approx(24 / within.sum())


@pytest.mark.parametrize("fault", ["empty truth", "other grid", "flat zero", "not finite"])
def test_what_cannot_be_compared_is_refused(oblique_grid: Grid, truth: np.ndarray, fault: str) -> None:
    values = np.ones(truth.shape)
    if fault == "flat zero":
        values[:] = 0
    if fault == "not finite":
        values[0, 0, 0] = np.inf
    known = {"empty truth": np.zeros_like(truth), "other grid": truth[:-1]}.get(fault, truth)
    with pytest.raises(ValueError, match=r"truth must mark|points is finite"):
        point(on(oblique_grid, values), known)


def test_the_page_shows_the_table_that_lies_beside_the_model() -> None:
    table = (ROOT / "Resources" / "Models" / "attention-resnet-brainmet" / "pointing.md").read_text(encoding="utf-8")
    assert table.count("\n") == 10, "a head of two lines and eight maps"
    assert table in (ROOT / "docs" / "explanations.md").read_text(encoding="utf-8")
