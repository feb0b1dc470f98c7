"""Voxels stay where they are in the patient, whichever way a file stores them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_case import ResultCase, oblique_grid

from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume

pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("left_handed", [True, False])
def test_a_planted_voxel_of_an_oblique_file_lands_at_its_place_in_ras(
    slicer: Any, tmp_path: Path, suffix: str, left_handed: bool
) -> None:
    from LesionLensLib.scene.volumes import grid_of_node, load_volume

    grid = oblique_grid(left_handed)
    array = np.zeros(grid.shape, np.int16)
    array[40, 30, 20] = 1234  # k, j, i
    write_volume(Volume(array, grid), tmp_path / f"planted{suffix}")

    node = load_volume(tmp_path / f"planted{suffix}", "planted")

    k, j, i = np.argwhere(slicer.util.arrayFromVolume(node) == 1234)[0]
    np.testing.assert_allclose(grid_of_node(node).ras_from_ijk((i, j, k)), grid.ras_from_ijk((20, 30, 40)), atol=1e-3)
    assert not grid_of_node(node).is_left_handed


def test_our_loading_of_a_left_handed_file_gives_the_node_that_slicers_own_loader_gives(
    slicer: Any, left_handed: ResultCase
) -> None:
    from LesionLensLib.scene.volumes import grid_of_node, load_volume

    ours = load_volume(left_handed.image, "ours")
    theirs = slicer.util.loadVolume(str(left_handed.image), {"name": "theirs"})

    assert left_handed.grid.is_left_handed
    assert grid_of_node(ours).is_close(grid_of_node(theirs))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(ours), slicer.util.arrayFromVolume(theirs))


def test_a_left_handed_node_gives_back_its_own_matrix_and_voxels(slicer: Any) -> None:
    from LesionLensLib.scene.volumes import volume_of_node

    grid = Grid((3, 4, 5), (1.0, 2.0, 3.0), (7.0, 8.0, 9.0), (-1, 0, 0, 0, 1, 0, 0, 0, 1))
    array = np.arange(60, dtype=np.float32).reshape(grid.shape)
    node = slicer.util.addVolumeFromArray(array, ijkToRAS=grid.ijk_to_ras, name="left")

    volume = volume_of_node(node)

    assert volume.grid.is_left_handed
    assert volume.grid.is_close(grid, 1e-9)
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (np.array([True, False]), np.uint8),
        (np.array([0.5, 2.0], np.float16), np.float32),
        (np.array([-5, 70000], np.int64), np.int32),
        (np.array([0, 2**40], np.int64), np.float64),
        (np.array([1, 2], np.uint16), np.uint16),
    ],
)
def test_pixel_types_slicer_refuses_are_stored_in_one_that_holds_every_value(values: Any, kept: type) -> None:
    from LesionLensLib.scene.volumes import storable

    stored = storable(values)

    assert stored.dtype == kept
    np.testing.assert_array_equal(stored.astype(float), values.astype(float))
