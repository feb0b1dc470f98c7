"""A segmentation of 3D Slicer whose segments overlap is a lesion mask too: all its segments together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.images.lesion_mask import read_lesion_mask


def write_layers(path: Path, layers: list[np.ndarray], grid: Grid) -> None:
    """Write a segment a layer, as Slicer stores segments that overlap: the components of a voxel."""
    image = sitk.GetImageFromArray(np.stack(layers, axis=-1).astype(np.uint8), isVector=True)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_lps)
    image.SetDirection(grid.direction_lps)
    for number in range(len(layers)):
        keys = {"ID": f"Segment_{number}", "Name": f"part {number}", "LabelValue": "1", "Layer": str(number)}
        for key, value in keys.items():
            image.SetMetaData(f"Segment{number}_{key}", value)
    sitk.WriteImage(image, str(path), True)


def test_overlapping_segments_are_one_lesion_mask(tmp_path: Path, oblique_grid: Grid) -> None:
    core, whole = np.zeros((2, *oblique_grid.shape), np.uint8)
    core[3, 5, 6], whole[3, 5, 5:9] = 1, 1
    core[1, 2, 3] = 1  # what only the first layer holds
    path = tmp_path / "tumour.seg.nrrd"
    write_layers(path, [core, whole], oblique_grid)
    mask = read_lesion_mask(path, Volume(np.zeros(oblique_grid.shape, np.float32), oblique_grid))
    assert mask.grid.is_close(oblique_grid)
    np.testing.assert_array_equal(mask.array, core | whole)
    write_layers(path, [0 * core, 0 * whole], oblique_grid)
    with pytest.raises(UserError, match="is empty"):
        read_lesion_mask(path, Volume(np.zeros(oblique_grid.shape, np.float32), oblique_grid))
