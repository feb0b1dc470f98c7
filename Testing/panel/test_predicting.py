"""From Apply to a prediction in the scene, through the real program in a child process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.predict_files import report_of, tumour_ras
from outcome_nodes import add_point, add_segment, series_of
from panel_actions import press, run_to_end
from tiny_outcome_model import changed_model

from LesionLensLib.catalogue import read_card
from LesionLensLib.images.read import read_volume
from LesionLensLib.process import child_environment


@dataclass(frozen=True)
class ByCommandLine:
    """What the command line makes of the same files, with the mask and with a point."""

    mask: Path
    point: Path


@pytest.fixture(scope="module")
def by_command_line(
    tiny_outcome_model: Path, pet_ct_paths: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> ByCommandLine:
    """The case predicted by the command line."""
    folder = tmp_path_factory.mktemp("by-command-line")
    center = "--center=" + ",".join(f"{part:.3f}" for part in tumour_ras())
    for name, place in (("mask", f"--mask=lesion={pet_ct_paths['lesion']}"), ("point", center)):
        inputs = [f"--input={role}={pet_ct_paths[role]}" for role in ("PET", "CT")]
        command = [sys.executable, "-m", "LesionLensLib", "predict", "--model", str(tiny_outcome_model), *inputs, place,
                   "--output", str(folder / name), "--progress", "none"]  # fmt: skip
        subprocess.run(command, check=True, env=child_environment(), timeout=300)
    return ByCommandLine(folder / "mask", folder / "point")


def numbers_of(report: dict[str, Any]) -> list[float]:
    result = report["result"]
    return [result["probability"], *result["interval"], result["given_volume_ml"] or 0.0, result["tumour_volume_ml"]]


def leftovers(slicer: Any) -> list[str]:
    return [path.name for path in Path(slicer.app.temporaryPath).glob("LesionLens-*")]


def test_apply_makes_what_the_command_line_makes(
    outcome_filled: Any, slicer: Any, by_command_line: ByCommandLine
) -> None:
    from LesionLensLib.scene.segments import lesion_mask

    run_to_end(outcome_filled)
    panel, expected = outcome_filled, report_of(by_command_line.mask)["result"]
    assert panel._result is not None, panel.ui.statusLabel.text
    assert numbers_of(panel._result.report) == pytest.approx(numbers_of({"result": expected}), abs=1e-5)
    assert panel.ui.summaryLabel.text == f"1 lesion. {panel._result.text}"
    low, high = expected["interval"]
    sentence = f"Probability of lung metastasis: {expected['probability']:.2f} (95 % interval {low:.2f} to {high:.2f})"
    assert sentence in panel.ui.summaryLabel.text
    assert panel.ui.lesionTable.item(0, 2).text() == f"{expected['probability']:.2f}"
    assert panel.ui.statusLabel.text.startswith("Done in")
    outline = read_volume(by_command_line.mask / "segmentation.seg.nrrd").array > 0
    ct = panel.parts.rows.nodes()["CT"]
    assert outline.any()
    assert int(lesion_mask(panel._result.segmentation, ct).sum()) == int(outline.sum())
    assert leftovers(slicer) == []


def test_a_point_gives_the_numbers_of_center(
    outcome_filled: Any, slicer: Any, by_command_line: ByCommandLine
) -> None:
    """Through the console, the images under a transform that also moves the point."""
    import vtk

    nodes, matrix = outcome_filled.parts.rows.nodes(), vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25.0)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix)
    for node in nodes.values():
        node.SetAndObserveTransformNodeID(transform.GetID())
    points = add_point(slicer, (0.0, 0.0, 0.0), np.round(tumour_ras(), 3) + np.array([25.0, 0.0, 0.0]))
    result = type(outcome_filled.logic)().process(
        nodes, model="tiny-chmfl", lesion=points, lesionPart=points.GetNthControlPointID(1)
    )
    assert numbers_of(result.report) == pytest.approx(numbers_of(report_of(by_command_line.point)), abs=1e-5)
    assert result.report["settings"]["lesion"] == "point"
    assert result.segmentation.GetTransformNodeID() == transform.GetID()


def test_everything_lies_in_one_folder_and_the_plot_shows_the_risk(
    outcome_filled: Any, slicer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from LesionLensLib.scene.hierarchy import nodes_in

    before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode")}
    run_to_end(outcome_filled)
    result = outcome_filled._result
    there = nodes_in(result.folderItem)
    made = [node for kind in ("Displayable", "Text", "PlotChart", "PlotSeries", "Table")
            for node in slicer.util.getNodesByClass(f"vtkMRML{kind}Node") if node.GetID() not in before]  # fmt: skip
    assert {result.segmentation, result.reportNode, result.chart} <= set(made)
    assert set(made) == set(there)
    series, found = series_of(result.chart), result.report["result"]
    assert series["This patient"] == [(found["probability"], 0.0)]
    assert [x for x, _ in series["95 % interval"]] == found["interval"]
    assert {x for x, _ in series["Threshold"]} == {found["threshold"]}
    shown: list[Any] = []
    monkeypatch.setattr(slicer.modules.plots, "logic", lambda: type("Plots", (), {"ShowChartInLayout": shown.append}))
    press(outcome_filled.ui.plotButton)
    assert shown == [result.chart]


def test_two_lesions_of_a_segment_get_a_row_each_and_a_click_shows_one(
    outcome_filled: Any, slicer: Any, pet_ct_paths: dict[str, Path]
) -> None:
    import qt

    ct, node = outcome_filled.parts.rows.nodes()["CT"], outcome_filled._parameterNode.lesion
    both = slicer.util.arrayFromSegmentBinaryLabelmap(node, "tumour", ct) > 0
    both[:2, :5, :5] = True
    slicer.util.updateSegmentBinaryLabelmapFromArray(both.astype("uint8"), node, "tumour", ct)
    run_to_end(outcome_filled)
    panel = outcome_filled
    assert panel._result is not None, panel.ui.statusLabel.text
    assert panel.ui.summaryLabel.text.startswith("2 lesions. The largest: Probability of lung metastasis")
    assert panel.ui.lesionTable.rowCount == 2
    view = slicer.mrmlScene.AddNode(slicer.vtkMRMLSliceNode())
    table = panel.ui.lesionTable
    item = table.item(1, 0)
    table.scrollToItem(item)
    qt.QTest.mouseClick(table.viewport(), qt.Qt.LeftButton, qt.Qt.NoModifier, table.visualItemRect(item).center())
    shown = [view.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]
    assert np.allclose(shown, panel._result.lesions[1]["center_ras"], atol=1e-3)


def test_simulated_models_and_atypical_cases_say_so_in_the_line_of_warnings(
    outcome_filled: Any, slicer: Any, tiny_outcome_model: Path, tmp_path: Path
) -> None:
    model = changed_model(tiny_outcome_model, tmp_path / "sim", id="sim-chmfl", evidence="simulated")
    (model / "predictions.csv").write_text("case,outcome,score\na,0,-1.5\nb,1,0.25\nc,0,0.5\n")
    panel = outcome_filled
    panel.ui.modelFolderEdit.currentPath = str(model)
    panel.ui.modelSelector.setCurrentIndex(panel.ui.modelSelector.findData("sim-chmfl"))
    assert "Demonstration weights, simulated outcome." in panel.ui.evidenceLabel.text
    ct = panel.parts.rows.nodes()["CT"]
    slicer.util.updateVolumeFromArray(ct, slicer.util.arrayFromVolume(ct) + 400)
    run_to_end(panel)
    assert panel._result is not None, panel.ui.statusLabel.text
    warnings = panel.ui.findingsLabel.text
    assert panel.ui.findingsLabel.visible
    assert "demonstration weights, simulated outcome" in warnings
    assert "Unlike the training cases" in warnings
    assert "the intensities of CT" in warnings
    assert "Demonstration weights, simulated outcome." in panel.ui.summaryLabel.text
    assert "(demonstration weights, simulated outcome)" in panel._result.chart.GetName()
    assert_training_risks(panel._result.chart, model)


def assert_training_risks(chart: Any, model: Path) -> None:
    calibration = json.loads((model / "card.json").read_text())["calibration"]

    def risk(score: float) -> float:
        return float(1 / (1 + np.exp(-(calibration["slope"] * score + calibration["intercept"]))))

    series = series_of(chart)
    assert series["Without lung metastasis (training patients)"] == [
        (pytest.approx(risk(-1.5)), 1.0), (pytest.approx(risk(0.5)), 1.0)
    ]  # fmt: skip
    assert series["With lung metastasis (training patients)"] == [(pytest.approx(risk(0.25)), 2.0)]


def test_a_broken_table_of_training_risks_is_said_before_the_work(
    outcome_filled: Any, slicer: Any, tiny_outcome_model: Path, tmp_path: Path
) -> None:
    from LesionLensLib.errors import UserError
    from LesionLensLib.inference.training_risks import training_risks

    model = changed_model(tiny_outcome_model, tmp_path / "broken")
    assert training_risks(read_card(model)) is None
    (model / "predictions.csv").write_text("case,outcome\na,0\n")
    with pytest.raises(UserError, match=r"predictions\.csv in the folder of tiny-chmfl cannot be read"):
        outcome_filled.logic.process(
            outcome_filled.parts.rows.nodes(), model=str(model), lesion=outcome_filled._parameterNode.lesion
        )
    assert leftovers(slicer) == []


def test_an_empty_segment_is_refused_with_a_sentence(outcome_filled: Any, slicer: Any) -> None:
    node, ct = outcome_filled._parameterNode.lesion, outcome_filled.parts.rows.nodes()["CT"]
    empty = np.zeros(slicer.util.arrayFromVolume(ct).shape)
    add_segment(slicer, node, "nothing", empty, ct)
    selector = outcome_filled.ui.lesionPartSelector
    selector.setCurrentIndex(selector.findData("nothing"))
    run_to_end(outcome_filled)
    assert outcome_filled._result is None
    assert 'color="red"' in outcome_filled.ui.statusLabel.text
    assert "empty" in outcome_filled.ui.statusLabel.text
    assert leftovers(slicer) == []
