"""A DICOM segmentation is a lesion mask: every voxel at its place, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_results import FinishedResult, finished_result

from LesionLensLib.errors import UserError
from LesionLensLib.images.dicom_seg import read_dicom_seg
from LesionLensLib.images.lesion_mask import read_drawn_mask, read_lesion_mask
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume

highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed (optional group: dicom)")

from LesionLensLib.dicom_out.origin import origin_of  # noqa: E402
from LesionLensLib.dicom_out.write import write_dicom  # noqa: E402


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> FinishedResult:
    """Two lesions on an oblique series, with their DICOM segmentation; tests only read it."""
    result = finished_result(tmp_path_factory.mktemp("seg"), "rsanet-ms")
    write_dicom(result.folder, result.files, result.card, {})
    return result


def segmentation_of(result: FinishedResult) -> Path:
    return result.folder / "dicom" / "segmentation.dcm"


def fractional(result: FinishedResult, path: Path) -> Path:
    """Write the same lesions as a fractional segmentation, inside 60 %, and 30 % everywhere else."""
    sources = origin_of(result.files, result.card).source
    grid = result.labels.grid
    affine = grid.ijk_to_lps[:, [2, 1, 0, 3]]
    values = np.where(result.labels.array != 0, 0.6, 0.3).astype(np.float32)
    volume = highdicom.Volume(values, affine, "PATIENT", frame_of_reference_uid=sources[0].FrameOfReferenceUID)
    binary = pydicom.dcmread(segmentation_of(result)).SegmentSequence[0]
    kind = highdicom.sr.CodedConcept("52988006", "SCT", "Lesion")
    described = highdicom.seg.SegmentDescription(1, binary.SegmentLabel, kind, kind, "MANUAL")
    highdicom.seg.Segmentation(
        sources, volume, "FRACTIONAL", [described], highdicom.UID(), 5, highdicom.UID(), 1, "A", "B", "1", "1"
    ).save_as(path)
    return path


def test_a_segmentation_comes_back_as_the_mask_it_was(written: FinishedResult) -> None:
    image = read_volume(written.series)
    mask = read_lesion_mask(segmentation_of(written), image)
    np.testing.assert_array_equal(mask.array, written.labels.array != 0)
    assert mask.array.dtype == np.uint8


def test_slices_that_are_left_out_are_empty_and_there_is_room_around(written: FinishedResult) -> None:
    stored = read_dicom_seg(segmentation_of(written))
    assert stored.grid.size == (9, 8, 4)
    drawn = read_drawn_mask(segmentation_of(written), read_volume(written.series))
    assert drawn.grid.size[2] == 4 + 2 * 16
    back = resample(drawn, written.labels.grid, "nearest")
    np.testing.assert_array_equal(back.array, written.labels.array != 0)


def test_a_fractional_segmentation_begins_at_one_half(written: FinishedResult, tmp_path: Path) -> None:
    back = read_dicom_seg(fractional(written, tmp_path / "fractional.dcm"))
    np.testing.assert_array_equal(resample(back, written.labels.grid, "nearest").array, written.labels.array != 0)


def test_the_only_segmentation_of_a_folder_is_found(written: FinishedResult, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    for path in (*written.files, segmentation_of(written)):
        (folder / path.name).write_bytes(path.read_bytes())
    mask = read_lesion_mask(folder, read_volume(written.series))
    np.testing.assert_array_equal(mask.array, written.labels.array != 0)


def test_one_of_another_patient_space_is_refused_and_damaged_ones_are_user_errors(
    written: FinishedResult, tmp_path: Path
) -> None:
    image = read_volume(written.series)
    elsewhere = Volume(image.array, image.grid, {**image.header, "frame_hash": "0" * 64})
    with pytest.raises(UserError, match="another frame of reference"):
        read_drawn_mask(segmentation_of(written), elsewhere)
    record = pydicom.dcmread(segmentation_of(written))
    del record.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    record.save_as(tmp_path / "damaged.dcm")
    with pytest.raises(UserError, match="cannot be read"):
        read_drawn_mask(tmp_path / "damaged.dcm", image)
    record = pydicom.dcmread(segmentation_of(written))
    position = record.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    position.ImagePositionPatient = [f"{float(part) + 1.4:.6f}" for part in position.ImagePositionPatient]
    record.save_as(tmp_path / "shifted.dcm")
    with pytest.raises(UserError, match="do not lie on one grid"):
        read_drawn_mask(tmp_path / "shifted.dcm", image)
