"""Choosing model, images and lesion in the panel of MetastasisOutcome, and what is said where something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.predict_files import make_case, tumour_ras
from outcome_nodes import add_point, add_segment, ball_surface
from panel_actions import press
from tiny_outcome_model import changed_model

from LesionLensLib.images.read import read_volume
from LesionLensLib.scene.volumes import add_volume

MR_CHANNELS = [
    {"role": "T1c", "title": "T1 with contrast agent", "modality": "MR", "hints": ["t1c"]},
    {"role": "FLAIR", "title": "FLAIR", "modality": "MR", "hints": ["flair"]},
    {"role": "lesion", "title": "Lesion", "modality": "MR", "hints": []},
]


@pytest.fixture
def without_model(slicer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The panel where no model is installed."""
    from Testing.stand_in import PanelHost

    monkeypatch.setenv("LESIONLENS_MODELS", str(tmp_path / "none"))
    slicer.mrmlScene.Clear(0)
    host = PanelHost("MetastasisOutcome")
    yield host.panel
    host.panel.ui.modelFolderEdit.currentPath = ""
    host.close()


def test_without_a_model_the_panel_says_so_and_a_folder_of_ones_own_works(
    without_model: Any, tiny_outcome_model: Path
) -> None:
    panel = without_model
    assert "No model for outcomes is installed." in panel.ui.evidenceLabel.text
    assert "Advanced, Own model" in panel.ui.evidenceLabel.text
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip.startswith("No model for outcomes is installed.")
    assert panel.parts.rows.rows == {}
    panel.ui.modelFolderEdit.currentPath = str(tiny_outcome_model)
    assert panel.ui.modelSelector.currentText == "Untrained network for tests"
    assert list(panel.parts.rows.rows) == ["PET", "CT"]
    assert "Untrained" in panel.ui.evidenceLabel.text
    assert panel.parts.modelArgument(panel.parts.card("tiny-chmfl")) == str(tiny_outcome_model.resolve())


def test_each_panel_lists_its_own_kind_of_model(
    slicer: Any, tiny_model: Path, tiny_outcome_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from Testing.stand_in import PanelHost

    for model in (tiny_model, tiny_outcome_model):
        changed_model(model, tmp_path / "models" / model.name)
    monkeypatch.setenv("LESIONLENS_MODELS", str(tmp_path / "models"))
    slicer.mrmlScene.Clear(0)
    listed = {}
    for module, other in (("LesionSegmentation", tiny_outcome_model), ("MetastasisOutcome", tiny_model)):
        host = PanelHost(module)
        host.panel.ui.modelFolderEdit.currentPath = str(other)
        selector = host.panel.ui.modelSelector
        ids = [selector.itemData(index) for index in range(selector.count)]
        listed[module] = (ids, "it belongs into the module" in host.panel.ui.evidenceLabel.text)
        host.panel.ui.modelFolderEdit.currentPath = ""
        host.close()
    assert listed == {"LesionSegmentation": (["tiny-ms"], True), "MetastasisOutcome": (["tiny-chmfl"], True)}


def test_images_are_suggested_by_name_and_taken_with_one_button(outcome_panel: Any, slicer: Any) -> None:
    panel = outcome_panel
    nodes = {role: add_volume(make_case()[role], f"patient 7 {role}") for role in ("PET", "CT")}
    assert panel.parts.rows.nodes() == {}
    assert panel.parts.rows.rows["PET"].selector.nodeCount() == 2
    press(panel.ui.acceptSuggestionsButton)
    assert panel.parts.rows.nodes() == nodes
    assert panel.ui.applyButton.toolTip == "Choose the segmentation, or the point list, that marks the lesion."
    assert not panel.ui.brainMaskSelector.visible, "a PET-CT model has no use for a brain mask"


def test_a_model_of_the_brain_has_a_row_for_each_image_and_takes_a_brain_mask(
    outcome_panel: Any, tiny_outcome_model: Path, tmp_path: Path
) -> None:
    panel = outcome_panel
    fields: dict[str, Any] = {"id": "tiny-brain", "channel_def": MR_CHANNELS, "reference_role": "T1c"}
    panel.ui.modelFolderEdit.currentPath = str(changed_model(tiny_outcome_model, tmp_path / "brain", **fields))
    panel.ui.modelSelector.setCurrentIndex(panel.ui.modelSelector.findData("tiny-brain"))
    assert list(panel.parts.rows.rows) == ["T1c", "FLAIR"]
    assert panel.ui.brainMaskSelector.visible
    panel.ui.modelFolderEdit.currentPath = ""


def test_the_only_segment_is_chosen_and_of_several_the_user_chooses(outcome_filled: Any, slicer: Any) -> None:
    panel, parameters = outcome_filled, outcome_filled._parameterNode
    selector, node = panel.ui.lesionPartSelector, outcome_filled._parameterNode.lesion
    assert (selector.currentText, parameters.lesionPart) == ("Tumour", "tumour")
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    ct = panel.parts.rows.nodes()["CT"]
    add_segment(slicer, node, "other", np.zeros(slicer.util.arrayFromVolume(ct).shape), ct)
    assert [selector.itemText(index) for index in range(selector.count)] == ["Tumour", "Other"]
    assert selector.currentText == "Tumour", "what was chosen stays"
    selector.setCurrentIndex(1)
    assert parameters.lesionPart == "other"
    add_segment(slicer, node, "third", np.zeros(slicer.util.arrayFromVolume(ct).shape), ct)
    node.GetSegmentation().RemoveSegment("other")
    assert parameters.lesionPart == ""
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == "Choose the segment of the lesion."
    slicer.mrmlScene.RemoveNode(node)
    assert parameters.lesion is None
    assert selector.count == 0
    assert not selector.enabled


def test_a_point_is_offered_once_it_is_placed_and_must_lie_in_the_image(outcome_filled: Any, slicer: Any) -> None:
    panel = outcome_filled
    points = add_point(slicer)
    panel.ui.lesionSelector.setCurrentNode(points)
    assert panel.ui.applyButton.toolTip == "Points has no point yet."
    points.AddControlPoint(*map(float, tumour_ras()), "In the tumour")
    assert panel.ui.lesionPartSelector.currentText == "In the tumour"
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    points.SetNthControlPointPosition(0, 900.0, 0.0, 0.0)
    ct = panel.parts.rows.nodes()["CT"].GetName()
    assert panel.ui.applyButton.toolTip == f"The point of the lesion lies outside of {ct}."


def test_a_lesion_under_a_transform_of_its_own_is_refused(outcome_filled: Any, slicer: Any) -> None:
    from LesionLensLib.errors import UserError

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    lesion = outcome_filled._parameterNode.lesion
    lesion.SetAndObserveTransformNodeID(transform.GetID())
    outcome_filled._refresh()
    assert outcome_filled.ui.applyButton.toolTip.startswith("The segmentation of the lesion is moved by another")
    with pytest.raises(UserError, match="moved by another transform"):
        outcome_filled.logic.process(outcome_filled.parts.rows.nodes(), model="tiny-chmfl", lesion=lesion)
    assert not list(Path(slicer.app.temporaryPath).glob("LesionLens-*"))


def test_the_choices_come_back_with_a_saved_scene(outcome_filled: Any, slicer: Any, tmp_path: Path) -> None:
    panel = outcome_filled
    panel.ui.registerCheckBox.checked = True
    assert slicer.util.saveScene(str(tmp_path / "case.mrb"), {})
    slicer.mrmlScene.Clear(0)
    assert panel.parts.rows.nodes() == {}
    assert panel.ui.lesionPartSelector.count == 0
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "case.mrb"), True)
    assert list(panel.parts.rows.nodes()) == ["PET", "CT"]
    assert panel._parameterNode.lesion.GetName() == "Tumour drawn by hand"
    assert panel.ui.lesionPartSelector.currentText == "Tumour"
    assert panel.ui.registerCheckBox.checked
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip


@pytest.mark.parametrize("has_geometry", [False, True])
def test_a_lesion_known_as_a_surface_alone_becomes_a_mask_of_its_volume(
    outcome_filled: Any, slicer: Any, tmp_path: Path, has_geometry: bool
) -> None:
    """As contours of a radiotherapy plan come in; without an image to go by Slicer makes a fine grid of its own."""

    from LesionLensLib.panel.LesionPlace import LesionPlace

    ct = outcome_filled.parts.rows.nodes()["CT"]
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Contours")
    if has_geometry:
        node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    node.AddSegmentFromClosedSurfaceRepresentation(ball_surface(), "GTV", [1.0, 0.0, 0.0])
    node.CreateDefaultDisplayNodes()
    nodes_before = slicer.mrmlScene.GetNumberOfNodes()
    mask = read_volume(Path(LesionPlace(node).writeInto(tmp_path, ct)["lesion_mask"]))
    assert (mask.array > 0).sum() * mask.grid.voxel_ml == pytest.approx(4 / 3 * np.pi * 1.3**3, rel=0.03)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes_before
