"""What can be wrong with PET, CT and a lesion mask is said in plain words before any compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_series
from pet_files import dose_item, structure_set, write_pet

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume, write_volume
from LesionLensLib.images.lesion_mask import count_lesions, read_lesion_mask, split_lesions
from LesionLensLib.images.pet_series import read_pet
from LesionLensLib.images.resample import resample
from LesionLensLib.images.suv import STUDY_FALLBACK
from LesionLensLib.inputs.check_frames import check_frames
from LesionLensLib.inputs.check_lesion_mask import check_lesion_mask
from LesionLensLib.inputs.check_pet import check_pet

GRID = Grid((6, 5, 4), (4.0, 4.0, 3.0), (-10.0, 20.0, 30.0))
VALUES = np.arange(120, dtype=np.int16).reshape(4, 5, 6) * 100


def codes(findings: tuple[object, ...]) -> list[tuple[str, str]]:
    return [(f.severity, f.code) for f in findings]  # type: ignore[attr-defined]


def test_a_sound_series_has_nothing_to_remark(tmp_path: Path) -> None:
    assert check_pet(read_pet(write_pet(Volume(VALUES, GRID), tmp_path / "p"))) == ()


def test_a_ct_and_becquerels_in_the_place_of_the_pet_are_errors() -> None:
    ct = Volume(np.where(VALUES < 3000, -1000, 40).astype(np.int16), GRID)
    assert codes(check_pet(ct)) == [("error", "pet-is-ct")]
    becquerel = Volume(VALUES, GRID)
    assert codes(check_pet(becquerel)) == [("error", "pet-not-suv")]
    one_hot_voxel = np.ones(GRID.shape, np.float32)
    one_hot_voxel[2, 2, 2] = 150.0
    assert check_pet(Volume(one_hot_voxel, GRID)) == ()


def test_what_was_assumed_or_replaced_and_odd_uptake_times_are_warnings(tmp_path: Path) -> None:
    assumed = read_pet(write_pet(Volume(VALUES, GRID), tmp_path / "a", PatientWeight=None), STUDY_FALLBACK)
    assert codes(check_pet(assumed)) == [("warning", "suv-assumed")]
    assert "weight 75 kg" in check_pet(assumed)[0].text
    dose = dose_item(RadiopharmaceuticalStartDateTime="19990101081000")
    assert codes(check_pet(read_pet(write_pet(Volume(VALUES, GRID), tmp_path / "d", dose)))) == [
        ("warning", "suv-injection-date")
    ]
    late = read_pet(
        write_pet(Volume(VALUES // 10, GRID), tmp_path / "l", SeriesTime="141000", AcquisitionTime="141000")
    )
    assert codes(check_pet(late)) == [("warning", "suv-uptake-time")]
    assert "360 minutes" in check_pet(late)[0].text


def test_pet_and_ct_of_different_frames_are_an_error_unless_something_aligns_them(tmp_path: Path) -> None:
    pet = read_pet(write_pet(Volume(VALUES, GRID), tmp_path / "p"))
    same = read_volume(write_series(Volume(VALUES, GRID), tmp_path / "c"))
    other = read_volume(write_series(Volume(VALUES, GRID), tmp_path / "o", patient="Roe^Max"))
    assert check_frames({"PET": pet, "CT": same}, "CT") == ()
    assert codes(check_frames({"PET": pet, "CT": other}, "CT")) == [("error", "different-frames")]
    assert check_frames({"PET": pet, "CT": other}, "CT", aligned=["PET"]) == ()
    silent = Volume(VALUES, GRID)
    assert check_frames({"PET": pet, "CT": silent}, "CT") == check_frames({"PET": silent, "CT": same}, "CT") == ()


def spots(*boxes: tuple[int, int, int, int]) -> Volume:
    """A mask with boxes given as first k, j, i and side."""
    array = np.zeros(GRID.shape, np.uint8)
    for k, j, i, side in boxes:
        array[k : k + side, j : j + side, i : i + side] = 1
    return Volume(array, GRID)


def test_several_lesions_are_counted_and_parted_the_largest_first() -> None:
    mask = spots((0, 0, 0, 1), (1, 2, 3, 2))
    assert [int(part.array.sum()) for part in split_lesions(mask)] == [8, 1]
    laid_back = [resample(part, GRID, "nearest").array for part in split_lesions(mask)]
    assert sum(laid_back).tolist() == mask.array.tolist()
    assert count_lesions(mask) == 2
    assert codes(check_lesion_mask(mask, mask, "CT")) == [("info", "several-lesions")]
    # A voxel is 4 x 4 x 3 mm = 0.048 ml.
    assert [int(part.array.sum()) for part in split_lesions(mask, min_volume_ml=0.049)] == [8]
    assert check_lesion_mask(mask, mask, "CT", min_volume_ml=0.049) == ()
    corner_to_corner = spots((0, 0, 0, 1), (1, 1, 1, 1))
    assert len(split_lesions(corner_to_corner)) == 1
    assert split_lesions(spots()) == ()


def test_an_empty_mask_and_one_beside_the_image_are_errors() -> None:
    image = Volume(VALUES, GRID)
    assert codes(check_lesion_mask(spots(), image, "CT")) == [("error", "lesion-mask-empty")]
    away = Volume(spots((0, 0, 0, 2)).array, Grid(GRID.size, GRID.spacing_mm, (500.0, 0.0, 0.0)))
    assert codes(check_lesion_mask(away, image, "CT")) == [("error", "lesion-mask-elsewhere")]


def test_a_mask_file_is_read_onto_the_image_or_refused_in_plain_words(tmp_path: Path) -> None:
    image = Volume(VALUES, GRID)
    fine = Grid((12, 10, 4), (2.0, 2.0, 3.0), (-11.0, 19.0, 30.0))
    lesion = np.zeros(fine.shape, np.uint8)
    lesion[1:3, 2:6, 4:8] = 7
    write_volume(Volume(lesion, fine), tmp_path / "m.nii.gz")
    mask = read_lesion_mask(tmp_path / "m.nii.gz", image)
    assert mask.grid == GRID
    assert np.argwhere(mask.array).tolist() == np.argwhere(spots((1, 1, 2, 2)).array).tolist()
    assert mask.array.max() == 1
    for values, grid, words in (
        (np.zeros(fine.shape, np.uint8), fine, "is empty"),
        (np.random.default_rng(0).random(fine.shape).astype(np.float32), fine, "no mask"),
        (lesion, Grid(fine.size, fine.spacing_mm, (900.0, 0.0, 0.0)), "covers no voxel"),
    ):
        write_volume(Volume(values, grid), tmp_path / "bad.nii.gz")
        with pytest.raises(UserError, match=words):
            read_lesion_mask(tmp_path / "bad.nii.gz", image)


def test_a_structure_set_serves_as_a_mask_too(tmp_path: Path) -> None:
    image = read_volume(write_series(Volume(VALUES, GRID), tmp_path / "ct"))
    around = [np.array([[-7, 23, z], [1, 23, z], [1, 31, z], [-7, 31, z]], dtype=float) for z in (33.0, 36.0)]
    data = structure_set({"GTV_Edema": [4 * around[0]], "GTV_Mass": around, "Node": around[:1]})
    data.save_as(tmp_path / "rt.dcm", enforce_file_format=True)
    assert int(read_lesion_mask(tmp_path / "rt.dcm", image).array.sum()) == 8
    assert int(read_lesion_mask(tmp_path / "rt.dcm", image, roi="node").array.sum()) == 4
    with pytest.raises(UserError, match="There is no file"):
        read_lesion_mask(tmp_path / "none.dcm", image)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.linspace(-3.0, 9.0, 120), "below -2.9, and uptake is never negative"),
        (np.linspace(0.0, 0.02, 120), "no voxel is above 0.02"),
    ],
)
def test_z_scores_and_fractions_of_suv_are_errors(array: np.ndarray, words: str) -> None:
    (finding,) = check_pet(Volume(array.reshape(GRID.shape), GRID))
    assert (finding.severity, finding.code) == ("error", "pet-not-suv")
    assert words in finding.text


def test_a_cool_pet_with_the_small_negative_values_of_its_reconstruction_is_a_pet() -> None:
    assert check_pet(Volume(np.linspace(-0.2, 0.7, 120).reshape(GRID.shape), GRID)) == ()


def test_a_ct_given_as_the_mask_is_refused(tmp_path: Path) -> None:
    ct = Volume(VALUES - 1000, GRID)
    write_volume(ct, tmp_path / "ct.nii.gz")
    with pytest.raises(UserError, match="its values go down to -1000"):
        read_lesion_mask(tmp_path / "ct.nii.gz", ct)
