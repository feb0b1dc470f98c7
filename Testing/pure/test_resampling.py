"""Resampling goes by the matrix: a field that is linear in space comes out the same on any grid."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid, flip_lps_ras
from LesionLensLib.images import Volume, read_transform, read_volume, register_rigid
from LesionLensLib.images.resample import resample
from LesionLensLib.phantom import HeadPhantom

SOURCE = Grid((40, 36, 30), (1.5, 2.0, 2.5), (-60.0, -75.0, -20.0))


def plane(points_ras: np.ndarray) -> np.ndarray:
    return 3.0 + 0.5 * points_ras[..., 0] - 0.25 * points_ras[..., 1] + 2.0 * points_ras[..., 2]


def centres(grid: Grid) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return grid.ras_from_ijk(np.stack([i, j, k], axis=-1))


@pytest.mark.parametrize("interpolation", ["linear", "bspline"])
def test_a_linear_field_is_exact_on_an_oblique_left_handed_anisotropic_grid(
    interpolation: str, oblique_grid: Grid
) -> None:
    source = Volume(plane(centres(SOURCE)), SOURCE)
    middle = SOURCE.ras_from_ijk((np.array(SOURCE.size) - 1) / 2)
    start = flip_lps_ras(middle) - np.reshape(oblique_grid.ijk_to_lps[:3, :3] @ [6, 5, 3], 3)
    target = Grid(oblique_grid.size, oblique_grid.spacing_mm, tuple(start), oblique_grid.direction_lps)
    result = resample(source, target, interpolation)  # type: ignore[arg-type]
    inner = (slice(1, -1),) * 3 if interpolation == "bspline" else (slice(None),) * 3
    tolerance = 0.05 if interpolation == "bspline" else 1e-4
    np.testing.assert_allclose(result.array[inner], plane(centres(target))[inner], atol=tolerance)
    assert result.grid == target
    assert result.array.dtype == np.float32


def test_going_to_a_finer_grid_is_decided_by_millimetres_not_by_voxel_count() -> None:
    source = Volume(plane(centres(SOURCE)), SOURCE)
    target = SOURCE.cropped((10, 10, 10), (12, 12, 12)).with_spacing((1.0, 1.0, 1.0))
    np.testing.assert_allclose(resample(source, target).array, plane(centres(target)), atol=1e-4)


def test_a_mask_keeps_its_values_and_type_and_is_background_outside() -> None:
    labels = Volume((centres(SOURCE)[..., 2] > 10).astype(np.uint8) * 7, SOURCE)
    target = Grid((40, 36, 60), (1.5, 2.0, 2.5), (-60.0, -75.0, -60.0))
    result = resample(labels, target, "nearest")
    assert result.array.dtype == np.uint8
    assert set(np.unique(result.array)) == {0, 7}
    np.testing.assert_array_equal(result.array[16:46], labels.array)


def test_outside_of_the_image_the_fill_value_stands() -> None:
    source = Volume(np.ones(SOURCE.shape, np.float32), SOURCE)
    away = SOURCE.cropped((-500, 0, 0), SOURCE.size)
    assert set(np.unique(resample(source, away, fill=-1024.0).array)) == {-1024.0}


def test_a_transform_maps_points_of_the_reference_to_points_of_the_image() -> None:
    source = Volume(plane(centres(SOURCE)), SOURCE)
    shift_lps = (3.0, -4.0, 5.0)
    target = SOURCE.cropped((10, 10, 10), (8, 8, 8))
    result = resample(source, target, transform=sitk.TranslationTransform(3, shift_lps))
    np.testing.assert_allclose(result.array, plane(centres(target) + flip_lps_ras(shift_lps)), atol=1e-4)


def test_on_its_own_grid_a_volume_comes_back_unchanged(oblique_grid: Grid) -> None:
    source = Volume(np.random.default_rng(0).integers(0, 900, oblique_grid.shape).astype(np.int16), oblique_grid)
    np.testing.assert_array_equal(resample(source, oblique_grid).array, source.array)
    assert resample(source, oblique_grid, "nearest").array.dtype == np.int16


def moved(volume: Volume, transform: sitk.Euler3DTransform) -> Volume:
    """Return the volume as if the patient had moved: what was at p lies at T(p)."""
    return resample(volume, volume.grid, transform=transform.GetInverse())


def test_registration_finds_a_known_movement_between_two_contrasts_and_twice_the_same(phantom: HeadPhantom) -> None:
    truth = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.06, -0.04, 0.08, (4.0, -3.0, 2.0))
    found = register_rigid(phantom.FLAIR, moved(phantom.T1, truth))
    again = register_rigid(phantom.FLAIR, moved(phantom.T1, truth))
    assert found.GetParameters() == again.GetParameters()
    corners = [(x, y, z) for x in (-50.0, 50.0) for y in (-60.0, 60.0) for z in (-20.0, 60.0)]
    errors = [np.linalg.norm(np.subtract(found.TransformPoint(p), truth.TransformPoint(p))) for p in corners]
    start = [np.linalg.norm(np.subtract(p, truth.TransformPoint(p))) for p in corners]
    assert max(errors) < 1.0 < min(start)  # voxels of 3 mm


def test_images_that_share_nothing_cannot_be_registered() -> None:
    grid = Grid((16, 16, 16), (3, 3, 3), (0, 0, 0))
    flat = Volume(np.zeros(grid.shape, np.float32), grid)
    with pytest.raises(UserError, match="registered"):
        register_rigid(flat, flat)


def test_registration_agrees_with_the_transform_the_data_came_with(ms_data) -> None:  # type: ignore[no-untyped-def]
    folder = ms_data / "native" / "lj_long_p12_study1"
    flair, t1 = read_volume(folder / "FLAIR.nii.gz"), read_volume(folder / "T1.nii.gz")
    given = read_transform(folder / "T1_to_FLAIR.txt")
    half = flair.grid.with_spacing((2.0, 2.0, 3.0))
    found = register_rigid(resample(flair, half), resample(t1, t1.grid.with_spacing((2.0, 2.0, 3.0))))
    brain = read_volume(folder / "brain.nii.gz")
    k, j, i = np.nonzero(brain.array)
    points = flip_lps_ras(brain.grid.ras_from_ijk(np.stack([i, j, k], axis=-1)[::5000]))
    errors = [np.linalg.norm(np.subtract(found.TransformPoint(p), given.TransformPoint(p))) for p in points.tolist()]
    assert np.median(errors) < 1.0
    assert max(errors) < 2.0
