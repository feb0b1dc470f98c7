"""The box around a tumour: its size in voxels, where it lies in the patient, and what sampling does to an image."""

import numpy as np
import pytest
from sarcoma_cases import GRID, make_patient, place_ras

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.field_of_view import FieldOfView, centroid_ras, sample_box


@pytest.mark.parametrize(
    ("spacing_mm", "multiple", "shape"),
    [(1.0, 16, (144, 112, 112)), (2.0, 8, (72, 56, 56)), (3.0, 8, (48, 40, 40)), (3.0, 16, (48, 48, 48))],
)
def test_the_papers_box_is_covered_in_voxels_that_can_be_halved(
    spacing_mm: float, multiple: int, shape: tuple[int, int, int]
) -> None:
    view = FieldOfView(spacing_mm=spacing_mm, multiple=multiple)
    assert view.shape == shape
    assert all(n * spacing_mm >= mm for n, mm in zip(view.size, (112.0, 112.0, 144.0), strict=True))


def test_the_middle_of_the_box_lies_on_the_point_and_its_axes_run_to_left_posterior_superior() -> None:
    point = np.array([3.0, -11.0, 47.0])
    grid = FieldOfView((32.0, 40.0, 48.0), 2.0, 4).grid(GRID, point, margin=3)
    assert grid.size == (16 + 6, 20 + 6, 24 + 6)
    assert grid.ras_from_ijk((np.array(grid.size) - 1) / 2) == pytest.approx(point, abs=1e-6)
    direction = np.reshape(grid.direction_lps, (3, 3))
    assert np.all(np.diag(direction) > 0.9)
    assert not grid.is_left_handed


def test_a_tumour_stays_where_it_is_in_the_patient_when_the_box_is_cut_from_an_oblique_image() -> None:
    mask = make_patient(3, 1)["lesion"]
    center = centroid_ras(mask)
    assert center == pytest.approx(place_ras(3), abs=1.0)
    box = sample_box(mask, FieldOfView((48.0, 48.0, 48.0), 2.0, 8).grid(GRID, center), 0.0)
    assert centroid_ras(box.with_array(box.array >= 0.5)) == pytest.approx(center, abs=0.5)
    litres = [volume.array.sum() * volume.grid.voxel_ml for volume in (mask, box)]
    assert litres[1] == pytest.approx(litres[0], rel=0.03)


def test_beyond_the_image_lies_what_the_caller_says() -> None:
    far = GRID.ras_from_ijk((-40.0, 5.0, 5.0))
    box = sample_box(make_patient(0, 0)["CT"], FieldOfView((16.0, 16.0, 16.0), 4.0, 2).grid(GRID, far), -1000.0)
    assert np.all(box.array == -1000.0)


def test_fine_noise_is_averaged_and_not_aliased_on_a_coarser_grid() -> None:
    fine = Grid((60, 60, 20), (1.0, 1.0, 4.0), (0.0, 0.0, 0.0))
    noise = Volume(np.random.default_rng(0).normal(0, 1, fine.shape).astype(np.float32), fine)
    grid = FieldOfView((40.0, 40.0, 40.0), 4.0, 2).grid(fine, fine.ras_from_ijk((29.5, 29.5, 9.5)))
    assert sample_box(noise, grid, 0.0).array.std() < 0.35
    assert resample(noise, grid).array.std() > 0.45, "without the blur noise survives"


def test_an_image_of_the_boxs_own_spacing_is_not_blurred() -> None:
    grid = Grid((12, 12, 12), (3.0, 3.0, 3.0), (0.0, 0.0, 0.0))
    spot = np.zeros(grid.shape, np.float32)
    spot[5, 6, 7] = 1.0
    assert np.array_equal(sample_box(Volume(spot, grid), grid, 0.0).array, spot)


def test_an_empty_mask_has_no_centre() -> None:
    with pytest.raises(UserError, match="mask is empty"):
        centroid_ras(Volume(np.zeros(GRID.shape, np.uint8), GRID))
