"""DICOM folders: slices are ordered by where they lie, and every trouble is found or noted."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_series
from scipy.spatial.transform import Rotation

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.resample import resample


def oblique_volume(left_handed: bool = False) -> Volume:
    axes = Rotation.from_euler("xyz", (12, 25, -8), degrees=True).as_matrix()
    if left_handed:
        axes = axes @ np.diag([1, 1, -1])
    grid = Grid((9, 8, 6), (0.8, 1.1, 3.3), (-31.5, 12.25, 7.75), tuple(axes.ravel()))
    return Volume(np.random.default_rng(4).integers(-50, 900, grid.shape).astype(np.int16), grid)


def test_slices_under_shuffled_names_come_back_in_the_order_they_lie_in(tmp_path: Path) -> None:
    volume = oblique_volume()
    back = read_volume(write_series(volume, tmp_path / "s"))
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.grid.is_close(volume.grid, 1e-6)


def test_a_series_stacked_against_its_normal_is_read_with_every_voxel_at_its_place(tmp_path: Path) -> None:
    volume = oblique_volume(left_handed=True)
    back = read_volume(write_series(volume, tmp_path / "s"))
    assert not back.grid.is_left_handed
    np.testing.assert_array_equal(resample(back, volume.grid, "nearest").array, volume.array)


def test_files_in_subfolders_and_strangers_among_them_do_no_harm(tmp_path: Path) -> None:
    write_series(oblique_volume(), tmp_path / "s" / "deep" / "deeper")
    (tmp_path / "s" / "notes.txt").write_text("hello")
    np.testing.assert_array_equal(read_volume(tmp_path / "s").array, oblique_volume().array)


def test_the_header_has_descriptions_and_a_hash_but_no_name(tmp_path: Path) -> None:
    folder = write_series(oblique_volume(), tmp_path / "s", patient="Doe^Jane", description="Ax T2 FLAIR")
    header = read_volume(folder).header
    assert (header["SeriesDescription"], header["Modality"]) == ("Ax T2 FLAIR", "MR")
    assert len(header["patient_hash"]) == 64
    assert "Doe" not in repr(dict(header))
    other = read_volume(write_series(oblique_volume(), tmp_path / "t", patient="Roe^Max")).header
    assert other["patient_hash"] != header["patient_hash"]


def test_missing_slices_are_counted_and_the_spacing_stays_that_of_the_others(tmp_path: Path) -> None:
    back = read_volume(write_series(oblique_volume(), tmp_path / "s", without=(2, 3)))
    assert back.header["missing_slices"] == "2"
    assert back.grid.spacing_mm[2] == pytest.approx(3.3)


def test_a_copy_of_a_slice_is_left_out_and_noted(tmp_path: Path) -> None:
    folder = write_series(oblique_volume(), tmp_path / "s")
    first = next(folder.iterdir())
    (folder / "copy.dcm").write_bytes(first.read_bytes())
    back = read_volume(folder)
    assert back.header["duplicate_slices"] == "1"
    np.testing.assert_array_equal(back.array, oblique_volume().array)


def test_two_series_are_listed_by_description_and_none_is_chosen(tmp_path: Path) -> None:
    write_series(oblique_volume(), tmp_path / "s", description="Ax T1", series="1", patient="Doe^Jane")
    write_series(oblique_volume(), tmp_path / "s", description="Ax T2", series="2", patient="Doe^Jane")
    with pytest.raises(UserError, match=r"2 DICOM series: Ax T1 \(6 images.*Ax T2 \(6 images") as caught:
        read_volume(tmp_path / "s")
    assert "Doe" not in caught.value.message


def edit(folder: Path, **changes: object) -> Path:
    """Change tags of all slices; a function gets the old value."""
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        for tag, value in changes.items():
            setattr(data, tag, value(data) if callable(value) else value)
        data.save_as(path)
    return folder


def test_rescale_slope_and_intercept_are_applied_slice_by_slice(tmp_path: Path) -> None:
    volume = oblique_volume()
    folder = write_series(volume, tmp_path / "s")
    lowest = volume.grid.origin_lps
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        number = round(np.linalg.norm(np.subtract(data.ImagePositionPatient, lowest)) / 3.3)
        data.RescaleSlope, data.RescaleIntercept = ("1", "0") if number == 0 else (f"{0.25 * number}", "-3")
        data.save_as(path)
    expected = volume.array.astype(float)
    for k in range(1, 6):
        expected[k] = expected[k] * 0.25 * k - 3
    np.testing.assert_allclose(read_volume(folder).array, expected, atol=1e-3)


def test_uneven_gaps_are_noted(tmp_path: Path) -> None:
    folder = write_series(oblique_volume(), tmp_path / "s")
    normal = np.reshape(oblique_volume().grid.direction_lps, (3, 3))[:, 2]
    paths = sorted(folder.iterdir(), key=lambda p: float(np.dot(pydicom.dcmread(p).ImagePositionPatient, normal)))
    data = pydicom.dcmread(paths[3])
    data.ImagePositionPatient = [f"{v:.8f}" for v in np.add(data.ImagePositionPatient, 0.8 * normal)]
    data.save_as(paths[3])
    assert read_volume(folder).header["uneven_slices_mm"] == "2.50-4.10"


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    folder = write_series(oblique_volume(), tmp_path / "s")
    j_axis = np.reshape(oblique_volume().grid.direction_lps, (3, 3))[:, 1]
    start = np.array(oblique_volume().grid.origin_lps)

    def sheared(data: pydicom.Dataset) -> list[str]:
        travel = np.linalg.norm(np.subtract(data.ImagePositionPatient, start))
        return [f"{v:.8f}" for v in np.add(data.ImagePositionPatient, 0.3 * travel * j_axis)]

    with pytest.raises(UserError, match="tilted"):
        read_volume(edit(folder, ImagePositionPatient=sheared))


def test_two_echoes_at_each_place_are_refused(tmp_path: Path) -> None:
    folder = write_series(oblique_volume(), tmp_path / "s")
    for path in list(folder.iterdir()):
        data = pydicom.dcmread(path)
        data.SOPInstanceUID = pydicom.uid.generate_uid()
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.save_as(folder / f"echo-{path.name}")
    with pytest.raises(UserError, match="6 images at the place of another"):
        read_volume(folder)


def test_colour_multi_frame_placeless_and_lone_slices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="colour"):
        read_volume(edit(write_series(oblique_volume(), tmp_path / "c"), SamplesPerPixel=3))
    with pytest.raises(UserError, match="multi-frame"):
        read_volume(edit(write_series(oblique_volume(), tmp_path / "m"), NumberOfFrames=6))
    folder = write_series(oblique_volume(), tmp_path / "p")
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        del data.ImagePositionPatient
        data.save_as(path)
    with pytest.raises(UserError, match="its place in the patient"):
        read_volume(folder)
    with pytest.raises(UserError, match="single slice"):
        read_volume(write_series(oblique_volume(), tmp_path / "l", without=range(1, 6)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ImagePositionPatient": None}, r"its place in the patient \(ImagePositionPatient\)"),
        ({"ImagePositionPatient": [1.0, 2.0]}, "cannot be read"),
        ({"PixelSpacing": None}, r"its place in the patient \(PixelSpacing\)"),
        ({"PixelSpacing": [0.0, 0.0]}, "pixel spacing of 0 mm"),
        ({"SeriesInstanceUID": "delete"}, "cannot be read"),
    ],
    ids=["no position", "half a position", "no spacing", "spacing of zero", "no series"],
)
def test_headers_with_empty_impossible_or_missing_fields_are_refused(
    changes: dict[str, object], says: str, tmp_path: Path
) -> None:
    folder = write_series(oblique_volume(), tmp_path / "s")
    for path in folder.iterdir():
        record = pydicom.dcmread(path)
        for tag, value in changes.items():
            if value == "delete":
                del record[tag]
            else:
                setattr(record, tag, value)
        record.save_as(path)
    with pytest.raises(UserError, match=says) as caught:
        read_volume(folder)
    assert caught.value.remedy.endswith(".")


def test_values_that_break_the_standard_are_read_without_a_word(tmp_path: Path) -> None:
    """pydicom warns of them on the terminal with the value itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = edit(
            write_series(oblique_volume(), tmp_path / "s"), SequenceName="tse2d1_11 of Jane Doe", Modality="mr"
        )
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        back = read_volume(folder)
    assert heard == []
    assert back.header["SequenceName"].startswith("tse2d1")
    np.testing.assert_array_equal(back.array, oblique_volume().array)
