"""Voxels written without SimpleITK are read by it at the same place with the same values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume, write_volume
from LesionLensLib.images.raw_nrrd import write_raw_nrrd

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64", ">i2", ">f4"]


@pytest.mark.parametrize("dtype", TYPES)
def test_voxels_and_an_oblique_left_handed_grid_come_back_equal(tmp_path: Path, oblique_grid: Grid, dtype: str) -> None:
    values = (np.arange(np.prod(oblique_grid.shape)).reshape(oblique_grid.shape) % 127).astype(dtype)
    write_raw_nrrd(Volume(values, oblique_grid), tmp_path / "raw.nrrd")
    back = read_volume(tmp_path / "raw.nrrd")
    assert back.array.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(back.array, values)
    np.testing.assert_allclose(back.grid.ijk_to_ras, oblique_grid.ijk_to_ras, rtol=0, atol=1e-12)


def test_the_grid_is_the_one_that_simpleitk_writes(tmp_path: Path, oblique_grid: Grid) -> None:
    volume = Volume(np.zeros(oblique_grid.shape, np.float32), oblique_grid)
    write_raw_nrrd(volume, tmp_path / "ours.nrrd")
    write_volume(volume, tmp_path / "theirs.nrrd", compress=False)
    ours, theirs = (read_volume(tmp_path / name).grid for name in ("ours.nrrd", "theirs.nrrd"))
    np.testing.assert_array_equal(ours.ijk_to_ras, theirs.ijk_to_ras)


@pytest.mark.parametrize(("given", "written"), [("bool", "uint8"), ("float16", "float32")])
def test_types_that_nrrd_lacks_become_the_next_wider_one(tmp_path: Path, given: str, written: str) -> None:
    values = np.arange(24).reshape(2, 3, 4).astype(given)
    write_raw_nrrd(Volume(values, Grid((4, 3, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))), tmp_path / "raw.nrrd")
    back = read_volume(tmp_path / "raw.nrrd").array
    assert back.dtype == np.dtype(written)
    np.testing.assert_array_equal(back, values)


def test_a_view_that_is_not_contiguous_is_written_in_its_order(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.int16).reshape(4, 3, 2).T
    write_raw_nrrd(Volume(values, Grid((4, 3, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))), tmp_path / "raw.nrrd")
    np.testing.assert_array_equal(read_volume(tmp_path / "raw.nrrd").array, values)


def test_complex_voxels_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    volume = Volume(np.zeros((2, 3, 4), np.complex64), Grid((4, 3, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    with pytest.raises(ValueError, match="complex64"):
        write_raw_nrrd(volume, tmp_path / "raw.nrrd")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    volume = Volume(np.zeros((2, 3, 4), np.uint8), Grid((4, 3, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    with pytest.raises((UserError, EnvironmentFault), match=r"raw\.nrrd cannot be created"):
        write_raw_nrrd(volume, tmp_path / "absent" / "raw.nrrd")
