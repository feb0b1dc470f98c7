"""A measured number in the panel of AttentionExplain: which answer is explained, both sides, and their chart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from load_model import oblique, untrained_load_model, write_head
from outcome_nodes import drawn_lesion, series_of
from panel_actions import press, run_to_end

from LesionLensLib.cli.main import main
from LesionLensLib.images.read import read_volume


@pytest.fixture(scope="module")
def load_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that measures lesion load, with random weights."""
    return untrained_load_model(tmp_path_factory.mktemp("load-models") / "tiny-load")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A head on an oblique, left-handed grid."""
    return write_head(tmp_path_factory.mktemp("load-head"), oblique())


@pytest.fixture(scope="module")
def by_commands(paths: dict[str, Path], load_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command line makes of it."""
    output = tmp_path_factory.mktemp("load-explained") / "result"
    given = [f"--input={role}={paths[role]}" for role in ("T1", "FLAIR")]
    given += [f"--mask={name}={paths[name]}" for name in ("brain", "lesion")]
    place = ["--model", str(load_model), "--output", str(output), "--device=cpu", "--progress=none"]
    assert main(["explain", "--method=smocam", "--target=right", "--no-checks", *given, *place]) == 0
    return output


@pytest.fixture
def load_panel(
    slicer: Any, load_model: Path, tiny_outcome_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The opened panel with a model that measures, and one with a single answer, in the list."""
    import qt

    from Testing.stand_in import PanelHost

    (tmp_path / "models").mkdir()
    for folder in (load_model, tiny_outcome_model):
        (tmp_path / "models" / folder.name).symlink_to(folder)
    monkeypatch.setenv("LESIONLENS_MODELS", str(tmp_path / "models"))
    qt.QSettings().remove("LesionLens")
    slicer.mrmlScene.Clear(0)
    host = PanelHost("AttentionExplain")
    selector = host.panel.ui.modelSelector
    selector.setCurrentIndex(selector.findData("tiny-load"))
    yield host.panel
    host.close()
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def nodes(slicer: Any, load_panel: Any, paths: dict[str, Path]) -> dict[str, Any]:
    """The images, and the masks as a user draws them."""
    found = {role: slicer.util.loadVolume(str(paths[role]), {}) for role in ("T1", "FLAIR")}
    for name in ("brain", "lesion"):
        found[name] = drawn_lesion(slicer, paths[name], found["FLAIR"], name)
    return found


def choose(panel: Any, answer: str) -> None:
    panel.ui.targetSelector.setCurrentIndex(panel.ui.targetSelector.findData(answer))


def test_a_model_of_several_answers_lets_one_be_chosen_and_a_model_of_one_says_so(load_panel: Any) -> None:
    ui = load_panel.ui
    selector = ui.targetSelector
    assert [selector.itemText(n) for n in range(selector.count)] == [
        "Lesion load", "Lesion load on the left", "Lesion load on the right"
    ]  # fmt: skip
    assert selector.enabled
    assert selector.currentText == "Lesion load", "the first output, as without --target"
    choose(load_panel, "left")
    assert load_panel._parameterNode.target == "left"
    ui.modelSelector.setCurrentIndex(ui.modelSelector.findData("tiny-chmfl"))
    assert not selector.enabled
    assert (selector.count, selector.toolTip) == (1, "This model has one answer.")
    assert load_panel.targetChoice.chosen(load_panel.parts.card("tiny-chmfl")) is None
    ui.modelSelector.setCurrentIndex(ui.modelSelector.findData("tiny-load"))
    assert selector.currentText == "Lesion load on the left", "the choice is not lost"


def test_images_alone_are_enough_and_a_point_is_no_mask_of_lesions(
    slicer: Any, load_panel: Any, nodes: dict[str, Any]
) -> None:
    apply = load_panel.ui.applyButton
    assert apply.toolTip.startswith("Choose the image for")
    load_panel.parts.rows.choose({role: nodes[role] for role in ("T1", "FLAIR")})
    assert apply.enabled, apply.toolTip
    assert load_panel.ui.brainMaskSelector.visible
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Points")
    load_panel.ui.lesionSelector.setCurrentNode(points)
    assert apply.toolTip == "The lesions are measured in a mask: choose a segmentation, or none."


def test_apply_explains_the_chosen_answer_with_the_numbers_of_the_command_line_and_shows_the_chart(
    slicer: Any, load_panel: Any, nodes: dict[str, Any], by_commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the real program."""
    from types import SimpleNamespace

    panel, ui = load_panel, load_panel.ui
    panel.parts.rows.choose({role: nodes[role] for role in ("T1", "FLAIR")})
    ui.lesionSelector.setCurrentNode(nodes["lesion"])
    ui.brainMaskSelector.setCurrentNode(nodes["brain"])
    ui.methodSelector.setCurrentIndex(ui.methodSelector.findData("smocam"))
    ui.checksCheckBox.checked = False
    choose(panel, "right")
    assert not ui.chartButton.visible
    run_to_end(panel)
    assert panel._result is not None, ui.statusLabel.text
    expected, found = json.loads((by_commands / "report.json").read_text())["result"], panel._result.report["result"]
    assert found["output"] == "right"
    for name in ("value_ml", "error_ml", "text", "peak", "sides", "asymmetry"):
        assert found[name] == expected[name], name
    assert ui.summaryLabel.text == expected["text"]
    maps = [np.abs(slicer.util.arrayFromVolume(node)).max() for node in panel._result.maps]
    files = ("map.nrrd", "map-left.nrrd", "map-right.nrrd")
    assert maps == [np.abs(read_volume(by_commands / file).array).max() for file in files]
    shown: list[Any] = []
    logic = SimpleNamespace(ShowChartInLayout=shown.append)
    monkeypatch.setattr(slicer.modules, "plots", SimpleNamespace(logic=lambda: logic), raising=False)
    press(ui.chartButton)
    assert shown == [panel._result.chart]
    series = series_of(panel._result.chart)
    asymmetry = expected["asymmetry"]
    assert series["This patient, measured"] == [(asymmetry["measured"], asymmetry["measured_percentile"])]


def test_the_console_names_the_answer_and_an_unknown_one_is_refused(
    slicer: Any, nodes: dict[str, Any], by_commands: Path
) -> None:
    from AttentionExplain import AttentionExplainLogic
    from LesionLensLib.errors import UserError

    images = {role: nodes[role] for role in ("T1", "FLAIR")}
    given = {"model": "tiny-load", "method": "smocam", "checks": False, "brainMask": nodes["brain"], "surface": "none"}
    result = AttentionExplainLogic().process(images, lesion=nodes["lesion"], target="left", device="cpu", **given)
    expected = json.loads((by_commands / "report.json").read_text())["result"]
    assert result.report["result"]["value_ml"] == expected["sides"]["left"]["value_ml"]
    assert result.report["result"]["sides"] == expected["sides"]
    assert result.surface is None
    with pytest.raises(UserError, match="no output middle"):
        AttentionExplainLogic().process(images, target="middle", device="cpu", **given)
