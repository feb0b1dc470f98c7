"""Choosing the images of a case in the panel: rows from the model card, suggestions, geometry, saved choices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panel_actions import moved, press

from LesionLensLib.errors import UserError
from LesionLensLib.images.volume import Volume
from LesionLensLib.phantom import HeadPhantom


def add(volume: Volume, name: str) -> Any:
    from LesionLensLib.scene.volumes import add_volume

    return add_volume(volume, name)


def row(panel: Any, role: str) -> Any:
    return panel.parts.rows.rows[role]


def test_there_is_one_row_for_each_channel_of_the_card_in_its_order(panel: Any) -> None:
    assert list(panel.parts.rows.rows) == ["T1", "T2", "FLAIR"]
    assert [r.title.text for r in panel.parts.rows.rows.values()] == ["T1:", "T2:", "FLAIR:"]


def test_a_new_volume_is_offered_and_suggested_but_never_chosen(panel: Any, head: HeadPhantom) -> None:
    node = add(head.FLAIR, "sub-01_FLAIR")
    assert row(panel, "FLAIR").selector.nodeCount() == 1
    assert row(panel, "FLAIR").selector.currentNode() is None
    assert row(panel, "FLAIR").suggestion is node
    assert "sub-01_FLAIR" in row(panel, "FLAIR").hint.text
    assert row(panel, "T1").suggestion is None


def test_a_name_with_markup_is_shown_as_it_is(panel: Any, head: HeadPhantom) -> None:
    add(head.FLAIR, "<b>FLAIR</b> & more")
    assert "&lt;b&gt;FLAIR&lt;/b&gt; &amp; more" in row(panel, "FLAIR").hint.text


def test_the_description_suggests_where_the_name_says_nothing(panel: Any, head: HeadPhantom) -> None:
    node = add(head.T2, "5: series")
    node.SetDescription("t2_tse_tra")
    panel._refresh()
    assert row(panel, "T2").suggestion is node


def test_a_click_on_the_suggestion_chooses_it(panel: Any, head: HeadPhantom) -> None:
    node = add(head.T2, "T2 axial")
    row(panel, "T2").hint.linkActivated.emit("use")
    assert row(panel, "T2").selector.currentNode() is node
    assert panel._parameterNode.parameterNode.GetNodeReference("Channel_T2") is node
    assert not row(panel, "T2").hint.visible


def test_one_button_accepts_all_suggestions(panel: Any, head: HeadPhantom) -> None:
    nodes = {role: add(volume, f"case {role}") for role, volume in head.channels.items()}
    press(panel.ui.acceptSuggestionsButton)
    assert panel.parts.rows.nodes() == nodes
    assert panel.ui.applyButton.enabled
    assert not panel.ui.acceptSuggestionsButton.visible


def test_apply_says_which_images_are_missing(panel: Any, head: HeadPhantom) -> None:
    add(head.FLAIR, "FLAIR")
    row(panel, "FLAIR").hint.linkActivated.emit("use")
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == "Choose the image for T1, T2."


def test_an_image_far_away_gets_a_sentence_and_locks_apply(panel: Any, head: HeadPhantom) -> None:
    panel.parts.rows.choose({"T1": add(moved(head.T1, 900.0), "T1"), "T2": add(head.T2, "T2"),
                             "FLAIR": add(head.FLAIR, "FLAIR")})  # fmt: skip
    assert row(panel, "T1").hint.visible
    assert "T1 and FLAIR do not overlap" in row(panel, "T1").hint.text
    assert not row(panel, "T2").hint.visible
    assert panel.ui.applyButton.toolTip == "T1 and FLAIR do not overlap in space."


def test_the_same_image_cannot_be_chosen_twice(filled: Any) -> None:
    filled.parts.rows.choose({"T1": filled.parts.rows.nodes()["T2"]})
    assert filled.ui.applyButton.toolTip == "The same image is chosen for T1 and T2."


def test_an_image_under_a_transform_of_its_own_is_refused(filled: Any, slicer: Any) -> None:
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    nodes = filled.parts.rows.nodes()
    nodes["T1"].SetAndObserveTransformNodeID(transform.GetID())
    filled._refresh()
    assert "T1 is moved by another transform" in filled.ui.applyButton.toolTip
    for node in nodes.values():
        node.SetAndObserveTransformNodeID(transform.GetID())
    filled._refresh()
    assert filled.ui.applyButton.enabled, "all images under one transform fit together"


def test_a_brain_mask_under_a_transform_of_its_own_is_refused(filled: Any, slicer: Any) -> None:
    """Its voxels are written without the transform: the network would look where the mask is not shown."""
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    mask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "brain")
    filled.ui.brainMaskSelector.setCurrentNode(mask)
    assert filled.ui.applyButton.enabled
    mask.SetAndObserveTransformNodeID(transform.GetID())
    filled._refresh()
    assert filled.ui.applyButton.toolTip.startswith("The brain mask is moved by another transform")
    with pytest.raises(UserError, match="The brain mask is moved by another transform"):
        filled.logic.process(filled.parts.rows.nodes(), model="tiny-ms", brainMask=mask)
    for node in filled.parts.rows.nodes().values():
        node.SetAndObserveTransformNodeID(transform.GetID())
    filled._refresh()
    assert filled.ui.applyButton.enabled, "the mask and the images under one transform fit together"


def test_an_image_with_slanted_axes_is_refused_with_a_sentence(filled: Any, slicer: Any) -> None:
    """As a hardened affine registration leaves it."""
    import vtk

    node, shear = filled.parts.rows.nodes()["T2"], vtk.vtkMatrix4x4()
    shear.SetElement(0, 1, 0.3)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(shear)
    node.SetAndObserveTransformNodeID(transform.GetID())
    assert node.HardenTransform()
    filled._refresh()
    assert not filled.ui.applyButton.enabled
    assert filled.ui.applyButton.toolTip.startswith("The voxel axes of T2 are not at right angles")
    assert filled.ui.applyButton.toolTip[:40] in row(filled, "T2").hint.text
    with pytest.raises(UserError, match="T2 are not at right angles") as caught:
        filled.logic.process(filled.parts.rows.nodes(), model="tiny-ms")
    assert "Resample Scalar/Vector/DWI Volume" in caught.value.remedy
    assert not list(Path(slicer.app.temporaryPath).glob("LesionLens-*"))


def test_coarse_voxels_are_a_warning_and_do_not_lock_apply(panel: Any, head: HeadPhantom) -> None:
    grid = head.T1.grid.with_spacing([*head.T1.grid.spacing_mm[:2], 9.0])
    thick = Volume(np.resize(head.T1.array, grid.shape), grid)
    panel.parts.rows.choose({"T1": add(thick, "T1"), "T2": add(head.T2, "T2"), "FLAIR": add(head.FLAIR, "FLAIR")})
    assert "The voxels of T1 (3 x 3 x 9 mm) lie outside" in row(panel, "T1").hint.text
    assert panel.ui.applyButton.enabled


def test_a_removed_volume_is_no_longer_chosen(filled: Any, slicer: Any) -> None:
    slicer.mrmlScene.RemoveNode(filled.parts.rows.nodes()["T2"])
    assert list(filled.parts.rows.nodes()) == ["T1", "FLAIR"]
    assert filled.ui.applyButton.toolTip == "Choose the image for T2."


def test_a_removed_brain_mask_chooses_no_other_segmentation(filled: Any, slicer: Any) -> None:
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "not a brain")
    mask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "brain")
    filled.ui.brainMaskSelector.setCurrentNode(mask)
    filled.ui.segmentationSelector.setCurrentNode(mask)
    assert filled._parameterNode.brainMask is mask
    slicer.mrmlScene.RemoveNode(mask)
    assert filled._parameterNode.brainMask is None
    assert filled._parameterNode.segmentation is None
    assert filled.ui.brainMaskSelector.currentNode() is None


def test_an_image_removed_while_another_module_is_shown_chooses_no_other(filled: Any, slicer: Any) -> None:
    filled.exit()
    slicer.mrmlScene.RemoveNode(filled._parameterNode.parameterNode.GetNodeReference("Channel_FLAIR"))
    filled.enter()
    assert list(filled.parts.rows.nodes()) == ["T1", "T2"]
    assert row(filled, "FLAIR").selector.currentNode() is None


def test_importing_into_the_scene_leaves_the_choices_alone(filled: Any, slicer: Any) -> None:
    mask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "brain")
    filled.ui.brainMaskSelector.setCurrentNode(mask)
    chosen = filled.parts.rows.nodes()
    slicer.mrmlScene.StartState(slicer.vtkMRMLScene.ImportState)
    slicer.mrmlScene.EndState(slicer.vtkMRMLScene.ImportState)
    assert filled.parts.rows.nodes() == chosen
    assert filled._parameterNode.brainMask is mask
    assert row(filled, "FLAIR").selector.currentNode() is chosen["FLAIR"]
    assert filled.ui.brainMaskSelector.currentNode() is mask
    assert filled.ui.applyButton.enabled


def test_a_control_is_bound_only_while_the_panel_is_shown(panel: Any) -> None:
    panel.exit()
    panel.ui.registerCheckBox.checked = True
    assert not panel._parameterNode.registerChannels
    panel.enter()
    assert not panel.ui.registerCheckBox.checked
    panel.ui.registerCheckBox.checked = True
    assert panel._parameterNode.registerChannels


def test_the_choices_and_settings_come_back_with_a_saved_scene(filled: Any, slicer: Any, tmp_path: Path) -> None:
    filled.ui.thresholdSlider.value = 0.3
    filled.ui.registerCheckBox.checked = True
    filled.ui.deviceSelector.setCurrentIndex(filled.ui.deviceSelector.findText("CPU"))
    assert slicer.util.saveScene(str(tmp_path / "case.mrb"), {})
    slicer.mrmlScene.Clear(0)
    assert not filled.parts.rows.nodes()
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "case.mrb"), True)
    assert [node.GetName() for node in filled.parts.rows.nodes().values()] == [
        "Sample head T1", "Sample head T2", "Sample head FLAIR"
    ]  # fmt: skip
    assert filled.ui.thresholdSlider.value == 0.3
    assert filled.ui.registerCheckBox.checked
    assert filled.ui.deviceSelector.currentText == "CPU"
    assert filled._parameterNode.parameterNode.GetParameter("device") == "CPU"


def test_the_card_fills_in_threshold_and_smallest_lesion_once(panel: Any) -> None:
    card = panel.parts.card("tiny-ms")
    assert panel.ui.thresholdSlider.value == card.threshold
    panel.ui.thresholdSlider.value = 0.25
    panel.enter()
    assert panel._parameterNode.threshold == 0.25


def test_an_own_model_is_added_to_the_list(panel: Any, tiny_model: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    own.mkdir()
    text = (tiny_model / "card.json").read_text().replace('"tiny-ms"', '"my-model"')
    (own / "card.json").write_text(text)
    panel.ui.modelFolderEdit.currentPath = str(own)
    selector = panel.ui.modelSelector
    assert [selector.itemData(index) for index in range(selector.count)] == ["tiny-ms", "my-model"]
    selector.setCurrentIndex(1)
    assert panel.parts.modelArgument(panel.parts.card("my-model")) == str(own.resolve())
    panel.ui.modelFolderEdit.currentPath = str(tmp_path / "nothing")
    assert "There is no model" in panel.ui.evidenceLabel.text
    selector.setCurrentIndex(0)
    assert "Untrained" in panel.ui.evidenceLabel.text
    assert "There is no model" in panel.ui.evidenceLabel.text, "a model that works must not hide what is wrong"
    panel.ui.modelFolderEdit.currentPath = ""
    assert "There is no model" not in panel.ui.evidenceLabel.text
    panel.ui.modelFolderEdit.currentPath = str(own)
    panel.ui.modelFolderEdit.currentPath = ""
    assert [selector.itemData(index) for index in range(selector.count)] == ["tiny-ms"]


def test_an_untrained_model_is_called_so(panel: Any) -> None:
    assert "Untrained" in panel.ui.evidenceLabel.text
    assert "Research use only" in panel.ui.evidenceLabel.text
