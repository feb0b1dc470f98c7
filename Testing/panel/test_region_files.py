"""Regions of a user's own for an explanation, and what is said of nodes that cannot serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outcome_nodes import Prediction, add_point, add_segment, ball_surface
from sarcoma_cases import GRID

from LesionLensLib.images.labelmap import Labelmap, read_labelmap


@pytest.fixture
def drawn(slicer: Any, prediction: Prediction) -> Any:
    """Two segments, the second a part of the first."""
    node, ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs"), prediction.images["CT"]
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    voxels = np.zeros(slicer.util.arrayFromVolume(ct).shape)
    voxels[2:12, 3:13, 4:14] = 1
    add_segment(slicer, node, "thigh", voxels, ct)
    voxels[6:] = 0
    add_segment(slicer, node, "muscle", voxels, ct)
    return node


def volumes_ml(found: Labelmap) -> dict[str, float]:
    sizes = {one.name: (found.layers[one.layer].array == one.value).sum() for one in found.regions}
    return {name: size * found.layers[0].grid.voxel_ml for name, size in sizes.items()}


def test_segments_keep_their_names_and_may_overlap(
    slicer: Any, drawn: Any, prediction: Prediction, tmp_path: Path
) -> None:
    from LesionLensLib.panel.NodeFiles import writeRegions

    before = slicer.mrmlScene.GetNumberOfNodes()
    found = read_labelmap(Path(writeRegions(drawn, tmp_path, prediction.images["CT"]) or ""))
    assert volumes_ml(found) == pytest.approx({"Thigh": 1000 * GRID.voxel_ml, "Muscle": 400 * GRID.voxel_ml})
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert drawn.GetStorageNode() is None


def test_segments_known_as_surfaces_alone_are_filled(slicer: Any, prediction: Prediction, tmp_path: Path) -> None:
    from LesionLensLib.panel.NodeFiles import writeRegions

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Contours")
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    node.GetSegmentation().SetSourceRepresentationName(surface)  # as contours of a radiotherapy plan have it
    node.AddSegmentFromClosedSurfaceRepresentation(ball_surface(), "GTV", [1.0, 0.0, 0.0])
    found = read_labelmap(Path(writeRegions(node, tmp_path, prediction.images["CT"]) or ""))
    assert volumes_ml(found) == {"GTV": pytest.approx(4 / 3 * np.pi * 1.3**3, rel=0.03)}
    assert node.GetSegmentation().GetSourceRepresentationName() == surface, "the node itself is not changed"


def test_a_label_map_is_written_as_it_is(slicer: Any, prediction: Prediction, tmp_path: Path) -> None:
    from LesionLensLib.panel.NodeFiles import writeRegions
    from LesionLensLib.scene.volumes import volume_of_node

    ct = prediction.images["CT"]
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Lobes")
    node.CopyOrientation(ct)
    labels = np.zeros(slicer.util.arrayFromVolume(ct).shape, np.uint8)
    labels[:3], labels[3:5] = 7, 9
    slicer.util.updateVolumeFromArray(node, labels)
    found = read_labelmap(Path(writeRegions(node, tmp_path, ct) or ""))
    assert [region.value for region in found.regions] == [7, 9]
    assert found.layers[0].grid.is_close(volume_of_node(ct).grid)


def test_nodes_that_cannot_serve_are_named_in_a_sentence(
    explain_filled: Any, slicer: Any, drawn: Any, prediction: Prediction
) -> None:
    panel = explain_filled
    panel.ui.regionsSelector.setCurrentNode(drawn)
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    drawn.SetAndObserveTransformNodeID(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode").GetID())
    panel._refresh()
    assert panel.ui.applyButton.toolTip.startswith("The map of the regions is moved by another transform")
    panel.ui.regionsSelector.setCurrentNode(None)
    panel.ui.lesionSelector.setCurrentNode(None)
    assert panel.ui.applyButton.toolTip == "Choose the segmentation, or the point list, that marks the lesion."
    panel.ui.lesionSelector.setCurrentNode(add_point(slicer, (900.0, 0.0, 0.0)))
    assert panel.ui.applyButton.toolTip.startswith("The point of the lesion lies outside of")


def test_an_empty_segmentation_is_no_set_of_regions(slicer: Any, prediction: Prediction, tmp_path: Path) -> None:
    from LesionLensLib.errors import UserError
    from LesionLensLib.panel.NodeFiles import writeRegions

    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty")
    with pytest.raises(UserError, match="has no segment"):
        writeRegions(empty, tmp_path, prediction.images["CT"])


def test_a_segmentation_model_needs_no_lesion_and_takes_no_point(
    explain_panel: Any, slicer: Any, tiny_model: Path, head: Any
) -> None:
    from LesionLensLib.panel.SampleNodes import addImages

    panel = explain_panel
    panel.ui.modelFolderEdit.currentPath = str(tiny_model)
    panel.ui.modelSelector.setCurrentIndex(panel.ui.modelSelector.findData("tiny-ms"))
    panel.parts.rows.choose(addImages(head.channels, "Head"))
    assert panel.ui.brainMaskSelector.visible
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    panel.ui.lesionSelector.setCurrentNode(add_point(slicer, (0.0, 0.0, 0.0)))
    assert panel.ui.applyButton.toolTip.startswith("A segmentation is explained inside a mask:")
    panel.ui.modelFolderEdit.currentPath = ""
