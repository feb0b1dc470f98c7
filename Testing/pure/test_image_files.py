"""Reading and writing: what comes back is what was there, in every format, for awkward grids and pixel types."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume, write_volume

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def volume_on(grid: Grid, dtype: str = "float32") -> Volume:
    values = np.random.default_rng(5).uniform(0, 1000, grid.shape)
    return Volume(values.astype(dtype), grid)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_oblique_left_handed_anisotropic_image_survives_writing_and_reading(
    suffix: str, oblique_grid: Grid, tmp_path: Path
) -> None:
    volume = volume_on(oblique_grid)
    write_volume(volume, tmp_path / f"a{suffix}")
    back = read_volume(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(back.array, volume.array)
    # NIfTI keeps its matrix in single precision: 1e-5 mm over this grid.
    assert back.grid.is_close(oblique_grid, 1e-9 if suffix in (".nrrd", ".mha") else 1e-5)
    assert back.grid.is_left_handed


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_fourth_axis_of_one_frame_is_dropped_and_nothing_else(
    suffix: str, oblique_grid: Grid, tmp_path: Path
) -> None:
    volume = volume_on(oblique_grid, "int16")
    sitk.WriteImage(sitk.JoinSeries([volume.to_sitk()]), str(tmp_path / f"four{suffix}"))
    back = read_volume(tmp_path / f"four{suffix}")
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.grid.is_close(oblique_grid, 1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_the_pixel_type_stays(suffix: str, dtype: str, oblique_grid: Grid, tmp_path: Path) -> None:
    volume = volume_on(oblique_grid, dtype if dtype != "uint8" else "uint16")
    volume = Volume((volume.array % 250).astype(dtype), oblique_grid)
    write_volume(volume, tmp_path / f"a{suffix}")
    back = read_volume(tmp_path / f"a{suffix}")
    assert back.array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back.array, volume.array)


def test_masks_of_bool_and_maps_of_half_precision_are_written_in_the_next_wider_type(
    oblique_grid: Grid, tmp_path: Path
) -> None:
    mask = Volume(volume_on(oblique_grid).array > 500, oblique_grid)
    half = Volume(volume_on(oblique_grid).array.astype(np.float16), oblique_grid)
    write_volume(mask, tmp_path / "mask.nrrd")
    write_volume(half, tmp_path / "half.nrrd")
    assert read_volume(tmp_path / "mask.nrrd").array.dtype == np.uint8
    np.testing.assert_array_equal(read_volume(tmp_path / "mask.nrrd").array, mask.array)
    np.testing.assert_array_equal(read_volume(tmp_path / "half.nrrd").array, half.array)


def nifti_bytes(volume: Volume, folder: Path) -> bytearray:
    write_volume(volume, folder / "plain.nii")
    return bytearray((folder / "plain.nii").read_bytes())


def test_slope_and_intercept_of_a_nifti_header_are_applied(oblique_grid: Grid, tmp_path: Path) -> None:
    volume = volume_on(oblique_grid, "int16")
    raw = nifti_bytes(volume, tmp_path)
    raw[112:120] = struct.pack("<ff", 0.5, -3.0)
    (tmp_path / "scaled.nii").write_bytes(raw)
    np.testing.assert_allclose(read_volume(tmp_path / "scaled.nii").array, volume.array * 0.5 - 3.0)


def test_descriptions_of_a_nifti_header_are_kept_and_what_may_be_a_name_only_as_a_hash(
    oblique_grid: Grid, tmp_path: Path
) -> None:
    raw = nifti_bytes(volume_on(oblique_grid), tmp_path)
    raw[14:32] = b"Doe^Jane".ljust(18, b"\0")
    raw[148:228] = b"T2 FLAIR sag".ljust(80, b"\0")
    raw[228:252] = b"dark fluid".ljust(24, b"\0")
    (tmp_path / "named.nii").write_bytes(raw)
    header = read_volume(tmp_path / "named.nii").header
    assert (header["descrip"], header["aux_file"]) == ("T2 FLAIR sag", "dark fluid")
    assert len(header["db_name_hash"]) == 64
    assert "Doe" not in repr(dict(header))


def test_descriptions_travel_in_nrrd_but_the_patients_hash_does_not(oblique_grid: Grid, tmp_path: Path) -> None:
    volume = Volume(
        volume_on(oblique_grid).array, oblique_grid, {"SeriesDescription": "AX T2 FLAIR", "patient_hash": "f" * 64}
    )
    write_volume(volume, tmp_path / "a.nrrd")
    assert dict(read_volume(tmp_path / "a.nrrd").header) == {"SeriesDescription": "AX T2 FLAIR"}
    assert b"ffff" not in (tmp_path / "a.nrrd").read_bytes().split(b"\n\n")[0]


def test_an_uncompressed_file_with_a_compressed_name_is_read(oblique_grid: Grid, tmp_path: Path) -> None:
    volume = volume_on(oblique_grid)
    (tmp_path / "odd.nii.gz").write_bytes(nifti_bytes(volume, tmp_path))
    np.testing.assert_array_equal(read_volume(tmp_path / "odd.nii.gz").array, volume.array)


def test_a_file_without_orientation_is_read_with_a_note(oblique_grid: Grid, tmp_path: Path) -> None:
    raw = nifti_bytes(volume_on(oblique_grid), tmp_path)
    raw[252:256] = bytes(4)
    (tmp_path / "lost.nii").write_bytes(raw)
    assert read_volume(tmp_path / "lost.nii").header["orientation"] == "missing"


def test_an_s_form_that_contradicts_the_q_form_used_is_noted_with_its_distance(
    oblique_grid: Grid, tmp_path: Path
) -> None:
    raw = nifti_bytes(volume_on(oblique_grid), tmp_path)
    raw[252:256] = struct.pack("<hh", 1, 2)
    srow = np.frombuffer(bytes(raw[280:328]), "<f4").reshape(3, 4).copy()
    srow[2, 3] += 25.0
    raw[280:328] = srow.tobytes()
    (tmp_path / "two.nii").write_bytes(raw)
    volume = read_volume(tmp_path / "two.nii")
    assert volume.grid.is_close(oblique_grid, 1e-4)
    assert float(volume.header["sform_qform_distance_mm"]) == pytest.approx(25.0, abs=0.1)


@pytest.mark.parametrize("qform_code", [0, 1])
def test_a_sheared_matrix_is_refused_even_where_itk_would_fall_back_to_another(
    qform_code: int, oblique_grid: Grid, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = nifti_bytes(volume_on(oblique_grid), tmp_path)
    raw[252:256] = struct.pack("<hh", qform_code, 1)
    srow = np.frombuffer(bytes(raw[280:328]), "<f4").reshape(3, 4).copy()
    srow[0, 1] += 0.5
    raw[280:328] = srow.tobytes()
    (tmp_path / "sheared.nii").write_bytes(raw)
    with pytest.raises(UserError, match="right angles") as caught:
        read_volume(tmp_path / "sheared.nii")
    assert "Resample" in caught.value.remedy
    assert capfd.readouterr().err == ""


def test_one_flipped_bit_in_the_compressed_data_is_noticed(oblique_grid: Grid, tmp_path: Path) -> None:
    write_volume(volume_on(oblique_grid), tmp_path / "a.nii.gz")
    raw = bytearray(gzip.compress(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()), compresslevel=0))
    raw[len(raw) // 2] ^= 4
    (tmp_path / "flipped.nii.gz").write_bytes(raw)
    with pytest.raises(UserError, match="damaged"):
        read_volume(tmp_path / "flipped.nii.gz")


def test_an_array_that_does_not_fit_its_grid_is_refused(oblique_grid: Grid) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Volume(np.zeros(oblique_grid.size), oblique_grid)
