"""Segmentations that Slicer itself has saved, with overlapping segments, read without Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from result_case import oblique_grid

from LesionLensLib.explain.regions import region_table
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.images.labelmap import read_labelmap


def test_overlapping_segments_saved_by_slicer_come_back_with_their_names_voxels_and_places(
    slicer: Any, tmp_path: Path
) -> None:
    grid = oblique_grid(left_handed=True)
    every_value_once = np.random.default_rng(0).permutation(np.prod(grid.shape)).reshape(grid.shape)
    impact = Volume(every_value_once.astype(np.float32), grid)
    write_volume(impact, tmp_path / "map.nrrd")
    reference = slicer.util.loadVolume(str(tmp_path / "map.nrrd"))
    masks = {name: np.zeros(grid.shape, bool) for name in ("Tumour", "Tumour and rim", "Far away")}
    masks["Tumour"][5:8, 6:9, 5:9] = True
    masks["Tumour and rim"][4:9, 5:10, 4:10] = True
    masks["Far away"][12:, 2:4, 3:8] = True
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    shown = slicer.util.arrayFromVolume(reference)  # a left-handed grid comes back turned
    for name, mask in masks.items():
        segment = node.GetSegmentation().AddEmptySegment(name, name)
        own = np.isin(shown, impact.array[mask]).astype(np.uint8)
        slicer.util.updateSegmentBinaryLabelmapFromArray(own, node, segment, reference)
    assert slicer.util.saveNode(node, str(tmp_path / "three.seg.nrrd"), {})
    labelmap = read_labelmap(tmp_path / "three.seg.nrrd")
    assert len(labelmap.layers) == 2
    rows = {row.name: row for row in region_table(impact, labelmap)}
    assert set(rows) == {*masks, "elsewhere"}
    for name, mask in masks.items():
        np.testing.assert_allclose(rows[name].volume_ml, np.count_nonzero(mask) * grid.voxel_ml)
        np.testing.assert_allclose(rows[name].mean, impact.array[mask].mean(), rtol=1e-5)
        k, j, i = (int(n) for n in np.argwhere(mask)[np.argmax(impact.array[mask])])
        np.testing.assert_allclose(rows[name].peak_ras, grid.ras_from_ijk((i, j, k)), atol=1e-3)
