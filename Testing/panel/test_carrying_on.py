"""From a segmentation to a prediction of its lesions, with the record of both; stopping while a result is shown."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from outcome_nodes import Prediction
from panel_actions import press, run_to_end, wait_until

from LesionLensLib.catalogue import read_card

SEGMENTED = {
    "model": {"id": "finds-tumours", "version": "2.1", "sha256": "ab" * 32, "evidence": "untrained"},
    "created": "2026-03-04T05:06:07+00:00",
    "device": "cpu",
    "seed": 3,
    "tool": {"name": "lesionlens", "version": "0.1.0"},
    "environment": {"python": "3.12.1", "torch": None},
    "settings": {"threshold": 0.25, "min_volume_ml": 0.01, "transforms": {"PET": {"source": "rigid registration"}}},
    "inputs": [{"role": "PET", "sha256": "cd" * 32}, {"role": "CT", "sha256": "ef" * 32}],
    "result": {"lesion_count": 1, "lesion_volume_ml": 12.345},
}


@pytest.fixture
def segmented(prediction: Prediction) -> Any:
    """The report of a segmentation whose outline is the drawn lesion of the case."""
    from LesionLensLib.scene.provenance import remember_images, remember_outlines
    from LesionLensLib.scene.tables import add_report

    report = add_report(json.dumps(SEGMENTED), "Report finds-tumours", "made in a test")
    remember_images(report, prediction.images)
    remember_outlines(report, prediction.lesion)
    return report


def test_predict_carries_images_and_lesion_over_and_the_record_tells_both_steps(
    panel: Any, outcome_panel: Any, slicer: Any, segmented: Any, prediction: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    from LesionLensLib.scene.provenance import chain_of

    opened: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    panel._result = SimpleNamespace(reportNode=segmented)
    panel.parts.predictButton.show(["PET", "CT"])
    assert not panel.ui.predictLabel.visible
    press(panel.ui.predictButton)
    assert opened == ["MetastasisOutcome"]
    assert outcome_panel._parameterNode.model == "tiny-chmfl"
    assert outcome_panel.parts.rows.nodes() == prediction.images
    assert outcome_panel._parameterNode.lesion is prediction.lesion
    assert outcome_panel._parameterNode.lesionPart == "tumour"
    outcome_panel.parts.howMade.section.collapsed = False
    run_to_end(outcome_panel)
    result = outcome_panel._result
    assert result is not None, outcome_panel.ui.statusLabel.text
    assert chain_of(result.reportNode) == [segmented, result.reportNode]
    text = outcome_panel.parts.howMade.browser.toPlainText()
    model, lines = result.report["model"], text.splitlines()
    at = [lines.index(title) for title in ("Images", "Segmentation", "Prediction")]
    assert at == sorted(at)
    assert f"PET: {prediction.images['PET'].GetName()}, SHA-256" in text
    assert "Model finds-tumours, version 2.1, weights SHA-256 abababababababab..." in lines[at[1] : at[2]]
    for fact in ("Threshold 0.25, smallest lesion 0.01 ml", "Aligned to the reference image: PET",
                 "With LesionLens 0.1.0, Python 3.12.1", "Found: 1 lesions, 12.35 ml in all"):  # fmt: skip
        assert fact in lines[at[1] : at[2]]
    assert f"Model tiny-chmfl, version 0.0.1, weights SHA-256 {model['sha256'][:16]}..." in lines[at[2] :]
    assert f"Lesion: {prediction.lesion.GetName()}" in lines[at[2] :]
    assert result.text in lines[at[2] :]
    assert any(line.startswith("Made on 20") for line in lines[at[2] :])


def test_where_no_outcome_model_fits_the_button_says_which_images_it_would_need(
    panel: Any, outcome_models: Path
) -> None:
    panel.parts.predictButton.show(["T1", "FLAIR"])
    title = read_card(outcome_models / "tiny-chmfl").title
    told = f"No outcome model fits these images: {title} also needs PET, CT."
    assert not panel.ui.predictButton.enabled
    assert panel.ui.predictButton.toolTip == told
    assert panel.ui.predictLabel.text == told
    assert panel.ui.predictLabel.visible
    panel.parts.predictButton.show(None)
    assert not panel.ui.predictButton.visible
    assert not panel.ui.predictLabel.visible


def test_every_result_of_the_scene_can_be_told_of_after_it_was_opened_again(
    explain_panel: Any, slicer: Any, segmented: Any, prediction: Prediction, tmp_path: Path
) -> None:
    from LesionLensLib.scene.provenance import chain_of, remember_before

    remember_before(prediction.report, segmented)
    how = explain_panel.parts.howMade
    how.section.collapsed = False
    how.show(prediction.report)
    before = how.browser.toPlainText()
    assert slicer.util.saveScene(str(tmp_path / "case.mrb"), {})
    slicer.mrmlScene.Clear(0)
    assert how.browser.toPlainText() == "Choose a result."
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "case.mrb"), True)
    (again,) = [node for node in slicer.util.getNodesByClass("vtkMRMLTextNode") if len(chain_of(node)) == 2]
    how.selector.setCurrentNode(again)
    assert how.browser.toPlainText() == before
    slicer.mrmlScene.RemoveNode(slicer.util.getNode(prediction.images["PET"].GetName()))
    how.show(again)
    assert "PET: no longer in the scene, SHA-256" in how.browser.toPlainText()
    chain_of(again)[0].SetText("edited")
    how.show(again)
    assert "This report was changed and cannot be read any more" in how.browser.toPlainText()


@pytest.mark.parametrize("reason", ["cancel", "scene", "image"])
def test_stopped_while_its_result_is_shown_it_leaves_no_node(filled: Any, slicer: Any, reason: str) -> None:
    scene = slicer.mrmlScene
    before = scene.GetNumberOfNodes()
    press(filled.ui.applyButton)
    wait_until(lambda: filled.ui.statusLabel.text == "Showing the result")
    run = filled.logic._slot._run
    run._timer.stop()
    for _ in range(4):
        run.poll()
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode"), "some of it is there"
    assert filled.logic.isRunning
    assert filled.ui.applyButton.text == "Cancel"
    told = {"cancel": "Cancelled.", "scene": "the scene was closed", "image": "Sample head T2 was removed"}[reason]
    if reason == "cancel":
        press(filled.ui.applyButton)
        assert scene.GetNumberOfNodes() == before
    elif reason == "scene":
        scene.Clear(0)
    else:
        scene.RemoveNode(filled.parts.rows.nodes()["T2"])
    assert not filled.logic.isRunning
    assert told in filled.ui.statusLabel.text
    for kind in ("Segmentation", "Table", "Text"):
        assert slicer.util.getNodesByClass(f"vtkMRML{kind}Node") == []
    models = slicer.util.getNodesByClass("vtkMRMLModelNode")
    assert [node for node in models if not node.GetHideFromEditors()] == [], "those of slice views are hidden"
    assert not list(Path(slicer.app.temporaryPath).glob("LesionLens-*"))
