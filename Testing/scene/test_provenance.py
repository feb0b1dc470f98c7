"""What a result was made from is found again by its report node, in a saved scene too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from result_case import ResultCase
from test_explanation_nodes import write_explanation

pytest.importorskip("slicer", reason="slicer-core is not installed")

from LesionLensLib.scene.explanation import show_explanation
from LesionLensLib.scene.provenance import EXPLAINABLE, MadeFrom, made_from, remember_images, remember_masks
from LesionLensLib.scene.tables import add_report


@pytest.fixture
def report(slicer: Any) -> Any:
    """The report node of a result made from two images, a point of a list, and a mask of the brain."""
    kinds = {"T1c": "ScalarVolume", "FLAIR": "ScalarVolume", "tumour": "MarkupsFiducial", "brain": "LabelMapVolume"}
    nodes = {name: slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{kind}Node", name) for name, kind in kinds.items()}
    node = add_report('{"a":\r\n1}', "Report", "made in a test")
    remember_images(node, {role: nodes[role] for role in ("FLAIR", "T1c")})
    remember_masks(node, nodes["tumour"], "2", nodes["brain"])
    return node


def names_of(found: MadeFrom) -> tuple[Any, ...]:
    images = {role: node.GetName() for role, node in found.images.items()}
    return images, *(node and node.GetName() for node in (found.lesion, found.brain_mask)), found.part


def test_a_report_comes_back_from_a_saved_scene_with_all_it_was_made_from(
    slicer: Any, report: Any, tmp_path: Path
) -> None:
    assert slicer.util.saveScene(str(tmp_path / "case.mrb"), {})
    slicer.mrmlScene.Clear(0)
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "in the way of the ids")
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "case.mrb"), False)
    again = slicer.util.getNode("Report")
    assert other.GetScene() is not None
    assert names_of(made_from(again, ("T1c", "FLAIR", "T2"))) == (
        {"T1c": "T1c", "FLAIR": "FLAIR"}, "tumour", "brain", "2"
    )  # fmt: skip
    assert again.GetAttribute(EXPLAINABLE) == "1"
    assert again.GetText() == '{"a":\r\n1}'


def test_what_has_left_the_scene_is_missing(slicer: Any, report: Any) -> None:
    for name in ("FLAIR", "tumour", "brain"):
        slicer.mrmlScene.RemoveNode(slicer.util.getNode(name))
    assert names_of(made_from(report, ("T1c", "FLAIR"))) == ({"T1c": "T1c"}, None, None, "")


def test_an_explanation_knows_its_images_and_cannot_be_explained_itself(
    slicer: Any, left_handed: ResultCase, tmp_path: Path
) -> None:
    from LesionLensLib.scene.volumes import load_volume

    flair = load_volume(left_handed.image, "FLAIR")
    folder = write_explanation(left_handed, tmp_path / "result", surface=False)
    nodes = show_explanation(folder, {"FLAIR": flair}, context_surface=False)
    assert made_from(nodes.report, ("FLAIR",)).images == {"FLAIR": flair}
    assert nodes.report.GetAttribute(EXPLAINABLE) is None


def test_a_segmentation_can_be_explained(show: Any, left_handed: ResultCase) -> None:
    nodes = show(left_handed, context_surface=False)
    assert nodes.report.GetAttribute(EXPLAINABLE) == "1"
    assert made_from(nodes.report, ("FLAIR",)).images == {"FLAIR": nodes.reference}
