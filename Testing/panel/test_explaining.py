"""From a finished prediction to its explanation: what the panel takes over, runs and shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outcome_nodes import Prediction, by_command_line
from panel_actions import press, run_to_end, wait_until

from LesionLensLib.images.read import read_volume

CUBES = ["--size-mm=24", "--per-channel", "--no-checks"]
# Instead of the whole work: hands over what the command line has made of the same case.
READY_PROGRAM = """
import json, os, pathlib, shutil, sys
job, made = json.loads(pathlib.Path(sys.argv[2]).read_text()), pathlib.Path(os.environ["MADE"])
pathlib.Path(os.environ["ASKED"]).write_text(json.dumps(job))
shutil.copytree(made, job["output"])
report = json.loads((made / "report.json").read_text())
print(json.dumps({"event": "result", "output": job["output"], "report": report}), flush=True)
"""


@pytest.fixture(scope="module")
def explained(
    tiny_outcome_model: Path, pet_ct_paths: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The result folder that the command line makes of the case."""
    folder = tmp_path_factory.mktemp("explained")
    return by_command_line(["explain", *CUBES], tiny_outcome_model, pet_ct_paths, folder)


@pytest.fixture
def ready(explain_filled: Any, explained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The panel whose program has its result ready."""
    program = tmp_path / "ready.py"
    program.write_text(READY_PROGRAM)
    monkeypatch.setenv("MADE", str(explained))
    monkeypatch.setenv("ASKED", str(tmp_path / "asked.json"))
    explain_filled.logic.program = [sys.executable, str(program)]
    explain_filled.asked = lambda: json.loads((tmp_path / "asked.json").read_text())
    return explain_filled


def composite(slicer: Any) -> Any:
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")


def test_a_chosen_result_brings_its_model_images_lesion_and_device(
    explain_filled: Any, prediction: Prediction
) -> None:
    panel, node = explain_filled, explain_filled._parameterNode
    assert node.model == "tiny-chmfl"
    assert panel.parts.rows.nodes() == prediction.images
    assert (node.lesion, node.lesionPart) == (prediction.lesion, "tumour")
    assert node.device == json.loads(prediction.report.GetText())["device"] == "cpu"
    assert panel.ui.deviceSelector.currentText == "CPU"
    assert panel.ui.imagesCollapsibleButton.collapsed, "there is nothing to choose"
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip


def test_what_is_changed_by_hand_stays(explain_filled: Any, slicer: Any, prediction: Prediction) -> None:
    panel = explain_filled
    panel.parts.rows.choose({"PET": None})
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "note")
    panel.exit()
    panel.enter()
    assert list(panel.parts.rows.nodes()) == ["CT"]
    assert panel.ui.applyButton.toolTip == "Choose the image for PET."
    panel.explain(prediction.report)
    assert panel.parts.rows.nodes() == prediction.images, "chosen anew, it is filled in anew"


def test_what_has_left_the_scene_is_asked_for(explain_panel: Any, slicer: Any, prediction: Prediction) -> None:
    panel = explain_panel
    slicer.mrmlScene.RemoveNode(prediction.images["CT"])
    slicer.mrmlScene.RemoveNode(prediction.lesion)
    panel.ui.resultSelector.setCurrentNode(prediction.report)
    assert panel.parts.rows.nodes() == {"PET": prediction.images["PET"]}
    assert not panel.ui.imagesCollapsibleButton.collapsed
    assert panel.ui.applyButton.toolTip == "Choose the image for CT."
    assert panel._parameterNode.lesion is None


def test_only_answers_that_can_be_explained_are_listed(ready: Any, slicer: Any, prediction: Prediction) -> None:
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "note")
    run_to_end(ready)
    assert ready._result.reportNode.GetScene() is not None
    assert ready.ui.resultSelector.nodeCount() == 1
    assert ready.ui.resultSelector.currentNode() is prediction.report


def test_a_report_that_is_none_any_more_and_an_unknown_model_are_said(
    explain_panel: Any, prediction: Prediction, tiny_outcome_model: Path, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    panel, text = explain_panel, prediction.report.GetText()
    prediction.report.SetText("edited")
    panel.explain(prediction.report)
    assert "holds no report of LesionLens any more" in panel.ui.resultLabel.text
    monkeypatch.setenv("LESIONLENS_MODELS", str(tmp_path / "none"))
    panel.parts.fillModels("")
    prediction.report.SetText(text)
    panel.explain(prediction.report)
    told = "The model tiny-chmfl of this result is not listed; name its folder under Advanced, Own model."
    assert panel.ui.applyButton.toolTip == told
    assert told in panel.ui.resultLabel.text
    panel.ui.modelFolderEdit.currentPath = str(tiny_outcome_model)
    assert panel.parts.rows.nodes() == prediction.images
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    panel.ui.modelFolderEdit.currentPath = ""


def test_apply_makes_what_the_command_line_makes(explain_filled: Any, slicer: Any, explained: Path) -> None:
    """Through the real program."""
    panel, before = explain_filled, slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    panel.ui.sizeSpinBox.value = 24.0
    panel.ui.perChannelCheckBox.checked = True
    panel.ui.checksCheckBox.checked = False
    run_to_end(panel)
    assert panel._result is not None, panel.ui.statusLabel.text
    expected = json.loads((explained / "report.json").read_text())
    found = panel._result.report
    for name in ("probability", "cubes", "text"):
        assert found["result"][name] == expected["result"][name]
    assert found["result"]["peak"] == expected["result"]["peak"]
    assert panel.ui.summaryLabel.text == expected["result"]["text"]
    assert panel.ui.statusLabel.text.startswith("Done in")
    files = ("map.nrrd", "map-PET.nrrd", "map-CT.nrrd")
    for node, file in zip(panel._result.maps, files, strict=True):
        # The images come from files of the nodes, where Slicer has turned a left-handed grid round.
        assert np.abs(slicer.util.arrayFromVolume(node)).max() == np.abs(read_volume(explained / file).array).max()
        assert node not in before
    assert not list(Path(slicer.app.temporaryPath).glob("LesionLens-*"))


def test_what_the_program_refuses_is_raised_in_the_console(slicer: Any, prediction: Prediction) -> None:
    """The tiny model does not know how much its answers vary."""
    from AttentionExplain import AttentionExplainLogic
    from LesionLensLib.errors import UserError

    with pytest.raises(UserError, match="sigma"):
        AttentionExplainLogic().process(
            prediction.images, model="tiny-chmfl", method="smocam", lesion=prediction.lesion
        )


def test_the_console_takes_what_the_panel_has_no_widget_for(ready: Any, prediction: Prediction) -> None:
    """The place where cubes are laid is a node of its own and does not replace the regions."""
    own = {"fill": "blurred", "coarseToFine": 1, "layer": "level 1", "sigma": 2.0, "mode": "preserving"}
    nodes = {"within": prediction.lesion, "regions": prediction.lesion}
    ready.logic.process(
        prediction.images, model="tiny-chmfl", lesion=prediction.lesion, **own, **nodes, surfaceWay="points"
    )
    job = ready.asked()
    assert (job["fill"], job["coarse_to_fine"], job["layer"]) == ("blurred", 1, "level 1")
    assert (job["sigma"], job["mode"], job["surface_way"]) == (2.0, "preserving", "points")
    assert (Path(job["within"]).name, Path(job["regions"]).name) == ("within.seg.nrrd", "regions.seg.nrrd")


def test_settings_reach_the_program_as_the_command_line_would_write_them(ready: Any, prediction: Prediction) -> None:
    ready.ui.sizeSpinBox.value, ready.ui.strideSpinBox.value = 12.0, 6.0
    ready.ui.surfaceSelector.setCurrentIndex(ready.ui.surfaceSelector.findData("beyond"))
    ready.ui.surfaceSpinBox.value = 2.5
    run_to_end(ready)
    job = ready.asked()
    assert (job["kind"], job["method"], job["size_mm"], job["stride_mm"]) == ("explain", "occlusion", 12.0, 6.0)
    assert (job["surface"], job["per_channel"], job["regions"], job["checks"]) == ("lesion+2.5mm", False, None, True)
    assert Path(job["lesion_mask"]).name == "lesion.nrrd"
    ready.ui.methodSelector.setCurrentIndex(ready.ui.methodSelector.findData("smocam"))
    assert not ready.ui.sizeSpinBox.visible
    run_to_end(ready)
    job = ready.asked()
    assert (job["method"], job["size_mm"], job["stride_mm"]) == ("smocam", None, None)


def test_the_result_shows_sentence_peak_regions_and_maps(ready: Any, slicer: Any) -> None:
    import qt

    view, shown = slicer.mrmlScene.AddNode(slicer.vtkMRMLSliceNode()), composite(slicer)
    run_to_end(ready)
    result, ui = ready._result, ready.ui
    assert ui.summaryLabel.text == result.text
    assert ui.validityLabel.text == "How far this map can be believed was not checked."
    regions = [ui.regionTable.item(row, 0).text() for row in range(ui.regionTable.rowCount)]
    assert regions == [result.regions.GetCellText(row, 1) for row in range(result.regions.GetNumberOfRows())]
    shares = [float(ui.regionTable.item(row, 3).text().rstrip("%")) for row in range(ui.regionTable.rowCount)]
    assert sum(shares) == pytest.approx(100, abs=3)
    press(ui.peakButton)
    place = [view.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]
    assert np.allclose(place, result.peak["ras"], atol=1e-3)
    item = ui.regionTable.item(1, 0)
    qt.QTest.mouseClick(
        ui.regionTable.viewport(), qt.Qt.LeftButton, qt.Qt.NoModifier, ui.regionTable.visualItemRect(item).center()
    )
    place = [view.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]
    peaks = [result.regions.GetTable().GetValueByName(1, f"peak_{axis}").ToDouble() for axis in "ras"]
    assert np.allclose(place, peaks, atol=1e-3)
    assert ui.mapSelector.count == 3
    assert shown.GetForegroundVolumeID() == result.maps[0].GetID()
    ui.mapSelector.setCurrentIndex(2)
    ui.opacitySlider.value = 0.25
    assert (shown.GetForegroundVolumeID(), shown.GetForegroundOpacity()) == (result.maps[2].GetID(), 0.25)
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode
    assert [bool(legend(node).GetVisibility()) for node in result.maps] == [False, False, True]


def test_checks_of_the_map_stand_below_the_sentence(
    ready: Any, slicer: Any, explained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    shutil.copytree(explained, tmp_path / "checked")
    report = json.loads((explained / "report.json").read_text())
    report["result"]["validity"] = {"text": "The map does not depend on what the network learned: do not use it."}
    (tmp_path / "checked" / "report.json").write_text(json.dumps(report))
    monkeypatch.setenv("MADE", str(tmp_path / "checked"))
    run_to_end(ready)
    assert ready.ui.validityLabel.visible
    assert ready.ui.validityLabel.text == report["result"]["validity"]["text"]
    assert ready._result.validity == ready.ui.validityLabel.text


def test_the_time_is_told_from_the_last_run_and_not_guessed(ready: Any, explained: Path) -> None:
    assert "not known yet" in ready.ui.timeLabel.text
    ready.ui.sizeSpinBox.value = 24.0
    ready.ui.perChannelCheckBox.checked = True
    ready.ui.checksCheckBox.checked = False
    run_to_end(ready)
    seconds = json.loads((explained / "report.json").read_text())["timing"]["explain"]
    assert ready.ui.timeLabel.text == f"About {max(1, round(seconds))} s, by the last run of this model here."
    ready.ui.perChannelCheckBox.checked = False
    ready.ui.sizeSpinBox.value = 2.4
    minutes = seconds * 1000 / 3 / 60
    words = f"{round(minutes)} min" if minutes >= 1.5 else f"{round(60 * minutes)} s"
    assert ready.ui.timeLabel.text.startswith(f"About {words},")
    ready.ui.checksCheckBox.checked = True
    assert "not known yet" in ready.ui.timeLabel.text, "the checks were never run"
    ready.ui.checksCheckBox.checked = False
    ready.ui.sizeSpinBox.value = 0.0
    assert "not known yet" in ready.ui.timeLabel.text, "the method's own size was never run"


def test_a_closed_scene_empties_the_panel(ready: Any, slicer: Any) -> None:
    run_to_end(ready)
    slicer.mrmlScene.Clear(0)
    assert ready.ui.summaryLabel.text == "No result yet."
    assert ready.parts.rows.nodes() == {}
    assert ready._parameterNode.result is None
    assert ready._parameterNode.filledFrom == ""


def test_the_choices_come_back_with_a_saved_scene(
    explain_filled: Any, slicer: Any, prediction: Prediction, tmp_path: Path
) -> None:
    panel = explain_filled
    panel.ui.methodSelector.setCurrentIndex(panel.ui.methodSelector.findData("smocam"))
    name = prediction.report.GetName()
    assert slicer.util.saveScene(str(tmp_path / "case.mrb"), {})
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "case.mrb"), True)
    assert panel._parameterNode.result.GetName() == name
    assert list(panel.parts.rows.nodes()) == ["PET", "CT"]
    assert panel.ui.methodSelector.currentText == "SMOCAM mask"
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip


def test_cancel_leaves_nothing(explain_filled: Any, slicer: Any, tmp_path: Path) -> None:
    program = tmp_path / "slow.py"
    program.write_text("import time; time.sleep(600)")
    explain_filled.logic.program = [sys.executable, str(program)]
    before = slicer.mrmlScene.GetNumberOfNodes()
    press(explain_filled.ui.applyButton)
    assert explain_filled.ui.applyButton.text == "Cancel"
    assert not explain_filled.ui.methodCollapsibleButton.enabled
    press(explain_filled.ui.applyButton)
    wait_until(lambda: not explain_filled.logic.isRunning, 10)
    assert explain_filled.ui.statusLabel.text == "Cancelled. Nothing was left behind."
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert not list(Path(slicer.app.temporaryPath).glob("LesionLens-*"))


@pytest.mark.parametrize("fixture", ["outcome_panel", "panel"])
def test_explain_this_opens_the_module_with_that_result_chosen(
    request: pytest.FixtureRequest, slicer: Any, fixture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    opened: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    panel, explain_panel = request.getfixturevalue(fixture), request.getfixturevalue("explain_panel")
    prediction: Prediction = request.getfixturevalue("prediction")
    assert not panel.ui.explainButton.visible, "there is no result yet"
    panel._result = SimpleNamespace(reportNode=prediction.report)
    panel.ui.explainButton.visible = True
    press(panel.ui.explainButton)
    assert opened == ["AttentionExplain"]
    assert explain_panel._parameterNode.result is prediction.report
    assert explain_panel.parts.rows.nodes() == prediction.images


def test_the_panel_offers_the_methods_that_the_program_has(explain_panel: Any) -> None:
    from LesionLensLib.explain.job.methods import METHODS

    selector = explain_panel.ui.methodSelector
    assert {selector.itemData(index) for index in range(selector.count)} == set(METHODS)
