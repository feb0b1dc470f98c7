"""A channel that ends before the lesion is found, whatever the grids."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.check_lesion_cover import check_lesion_cover, lesion_points


def marked(grid: Grid) -> Volume:
    """A lesion on slices 2 to 5 (k) of the oblique grid."""
    array = np.zeros(grid.shape, np.uint8)
    array[2:6, 3:8, 4:9] = 1
    return Volume(array, grid)


def cut(grid: Grid, slices: int) -> Volume:
    """A channel on the first slices of `grid` alone, in voxels of half the size."""
    part = grid.cropped((0, 0, 0), (*grid.size[:2], slices))
    fine = part.with_spacing(tuple(s / 2 for s in part.spacing_mm))
    return Volume(np.ones(fine.shape, np.float32), fine)


def test_points_are_the_places_of_the_marked_voxels(oblique_grid: Grid) -> None:
    points = lesion_points(marked(oblique_grid))
    ijk = np.round(oblique_grid.ijk_from_ras(points)).astype(int)
    assert len(ijk) == 4 * 5 * 5
    assert ijk.min(axis=0).tolist() == [4, 3, 2]
    assert ijk.max(axis=0).tolist() == [8, 7, 5]


def test_very_many_voxels_are_thinned_out_and_still_span_the_lesion() -> None:
    grid = Grid((60, 60, 60), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    points = lesion_points(Volume(np.ones(grid.shape, np.uint8), grid))
    assert len(points) < 2000
    assert np.ptp(points, axis=0).min() > 57
    assert points.mean(axis=0) == pytest.approx([-29.5, -29.5, 29.5], abs=0.7)


def test_a_channel_without_half_of_the_lesion_is_an_error_and_one_without_a_part_a_warning(oblique_grid: Grid) -> None:
    points = lesion_points(marked(oblique_grid))

    def found(slices: int) -> list[tuple[str, str, str]]:
        volumes = {"PET": cut(oblique_grid, slices), "CT": cut(oblique_grid, 1)}
        return [(one.severity, one.code, one.text) for one in check_lesion_cover(points, volumes, "CT")]

    assert found(7) == []
    assert found(5) == [("warning", "lesion-partly-covered", "25 % of the lesion lie outside of PET.")]
    assert found(3) == [("error", "lesion-not-covered", "PET does not show the lesion: 75 % of it lie outside.")]


def test_a_transform_says_where_the_channel_shows_the_lesion(oblique_grid: Grid) -> None:
    points, shift_lps = lesion_points(marked(oblique_grid)), (40.0, -60.0, 80.0)
    whole = cut(oblique_grid, 7)
    x, y, z = (a + b for a, b in zip(whole.grid.origin_lps, shift_lps, strict=True))
    moved = Volume(whole.array, Grid(whole.grid.size, whole.grid.spacing_mm, (x, y, z), whole.grid.direction_lps))
    volumes = {"PET": moved, "CT": whole}
    assert [one.code for one in check_lesion_cover(points, volumes, "CT")] == ["lesion-not-covered"]
    assert check_lesion_cover(points, volumes, "CT", {"PET": sitk.TranslationTransform(3, shift_lps)}) == ()
    back = sitk.TranslationTransform(3, tuple(-s for s in shift_lps))
    assert check_lesion_cover(points, volumes, "CT", {"PET": back}) != ()
