"""DICOM files are found and read whatever their form, and what pydicom has to say of their values stays unsaid."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_series
from pet_files import structure_set, write_pet
from pydicom.filewriter import dcmwrite
from pydicom.uid import EnhancedMRImageStorage, generate_uid
from test_dicom_series import edit, oblique_volume

from LesionLensLib.errors import UserError
from LesionLensLib.images import read_volume
from LesionLensLib.images.dicom_headers import is_dicom_file
from LesionLensLib.images.pet_series import read_pet
from LesionLensLib.images.rtstruct import read_structure_set
from LesionLensLib.images.tcia_tree import index_series

SQUARE = [np.array([[0, 0, 0], [9, 0, 0], [9, 9, 0], [0, 9, 0]], float)]


@contextmanager
def nothing_said(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail where a warning or a line of log comes out."""
    caplog.clear()
    with warnings.catch_warnings(record=True) as heard, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        yield
    assert [str(one.message) for one in heard] == []
    assert caplog.messages == []


def without_preamble(folder: Path, with_meta: bool, implicit: bool) -> Path:
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.preamble = None
        if with_meta:
            dcmwrite(path, data, enforce_file_format=False)
        else:
            del data.file_meta
            data.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return folder


@pytest.mark.parametrize(("with_meta", "implicit"), [(True, False), (False, False), (False, True)])
def test_files_without_preamble_are_read_like_others(with_meta: bool, implicit: bool, tmp_path: Path) -> None:
    folder = without_preamble(write_series(oblique_volume(), tmp_path / "s"), with_meta, implicit)
    first = next(folder.iterdir()).read_bytes()
    assert first[128:132] != b"DICM"
    back = read_volume(folder)
    np.testing.assert_array_equal(back.array, oblique_volume().array)
    assert back.grid.is_close(oblique_volume().grid, 1e-6)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x08\x00", b"\x08\x00\x16\x00UI", b"\x02\x00\x00\x00" + b"x" * 400, b"hello, I am a letter " * 20],
    ids=["empty", "two bytes", "cut off", "noise after a tag", "a letter"],
)
def test_what_only_begins_like_dicom_is_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not is_dicom_file(path)


def break_values(path: Path) -> None:
    """Write values that break the standard, the patient's name among them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(path)
        data.PatientID = "Jane Doe " * 9
        data.Modality = data.Modality.lower() if data.Modality == "MR" else data.Modality
        data.StudyDate = "Jane's day"
        data.AcquisitionTime = "100000"
        data.add_new("PatientAge", "AS", "Jane is 9")
        data.SeriesDescription = "Jane Doe " * 9
        data.save_as(path)


def test_a_pet_a_structure_set_and_a_collection_with_odd_values_are_read_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pet = write_pet(oblique_volume(), tmp_path / "t" / "pet")
    structures = tmp_path / "t" / "rt.dcm"
    structure_set({"GTV": SQUARE}).save_as(structures, enforce_file_format=True)
    for path in (*pet.iterdir(), structures):
        break_values(path)
    with nothing_said(caplog):
        assert read_pet(pet).header["units"] == "SUVbw"
        assert read_structure_set(structures).rois[0].name == "GTV"
        assert {entry.modality for entry in index_series(tmp_path / "t")} == {"PT", "RTSTRUCT"}


def doubled(folder: Path, **changes: object) -> Path:
    """Write every image a second time at its place, with these tags changed."""
    for path in list(folder.iterdir()):
        data = pydicom.dcmread(path)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        for keyword, value in changes.items():
            setattr(data, keyword, value)
        data.save_as(folder / f"again-{path.name}")
    return folder


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        (("EchoTime", "10", "90"), r"2 acquisitions that differ in Echo Time \(0018,0081\)"),
        (("AcquisitionNumber", 1, 2), r"2 acquisitions that differ in Acquisition Number \(0020,0012\)"),
        (("TemporalPositionIdentifier", 1, 2), r"2 acquisitions that differ in Temporal Position Identifier"),
    ],
)
def test_two_acquisitions_in_one_series_are_refused_with_the_tag_that_parts_them(
    tags: tuple[str, object, object], named: str, tmp_path: Path
) -> None:
    keyword, first, second = tags
    folder = edit(write_series(oblique_volume(), tmp_path / "s"), **{keyword: first})
    with pytest.raises(UserError, match=named) as caught:
        read_volume(doubled(folder, **{keyword: second}))
    assert "a folder of their own" in caught.value.remedy


def test_two_acquisitions_that_make_no_even_stack_are_refused(tmp_path: Path) -> None:
    normal = np.reshape(oblique_volume().grid.direction_lps, (3, 3))[:, 2]

    def shifted(data: pydicom.Dataset) -> list[str]:
        return [f"{v:.8f}" for v in np.add(data.ImagePositionPatient, 1.1 * normal)]

    folder = edit(write_series(oblique_volume(), tmp_path / "s"), AcquisitionNumber=1)
    other = edit(write_series(oblique_volume(), tmp_path / "t"), AcquisitionNumber=2, ImagePositionPatient=shifted)
    uid = pydicom.dcmread(next(folder.iterdir())).SeriesInstanceUID
    for path in edit(other, SeriesInstanceUID=uid).iterdir():
        data = pydicom.dcmread(path)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.save_as(folder / f"second-{path.name}")
    with pytest.raises(UserError, match="holds 2 acquisitions that make no even stack together"):
        read_volume(folder)


def enhanced(data: pydicom.Dataset) -> None:
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage


def segmentation(data: pydicom.Dataset) -> None:
    data.Modality, data.NumberOfFrames = "SEG", 6


@pytest.mark.parametrize(
    ("change", "says", "remedy"),
    [(enhanced, "enhanced, multi-frame", "dcm2niix"), (segmentation, "segmentation, no image", "image series")],
)
def test_enhanced_files_and_segmentations_are_no_series_of_slices(
    change: Callable[[pydicom.Dataset], None], says: str, remedy: str, tmp_path: Path
) -> None:
    folder = write_series(oblique_volume(), tmp_path / "s")
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        change(data)
        data.save_as(path)
    with pytest.raises(UserError, match=says) as caught:
        read_volume(folder)
    assert remedy in caught.value.remedy
