"""The model of docs/own-model.md in the panels: listed, asked and explained with the numbers of the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from outcome_nodes import drawn_lesion
from own_model_page import Walk
from panel_actions import press, run_to_end

from LesionLensLib.manifest import read_manifest

PREDICTED = "BraTS-MET-00014-000_lesion1"


@pytest.fixture
def clean(slicer: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty scene, no own model remembered, the shipped models installed."""
    import qt

    monkeypatch.delenv("LESIONLENS_MODELS", raising=False)
    qt.QSettings().remove("LesionLens")
    slicer.mrmlScene.Clear(0)
    yield
    qt.QSettings().remove("LesionLens")
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def open_panel(clean: None) -> Iterator[Any]:
    """A function that opens the panel of a module."""
    from Testing.stand_in import PanelHost

    hosts = []

    def open_it(module: str) -> Any:
        hosts.append(PanelHost(module))
        return hosts[-1].panel

    yield open_it
    for host in hosts:
        host.close()


def expected(walk: Walk, folder: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((walk.folder / folder / "report.json").read_text())["result"]
    return result


def listed(panel: Any) -> list[str]:
    return [panel.ui.modelSelector.itemData(row) for row in range(panel.ui.modelSelector.count)]


def fill(panel: Any, slicer: Any, walk: Walk) -> None:
    """Load the images of the lesion that the page predicts and choose them with its mask."""
    row = next(row for row in read_manifest(walk.folder / "cohort.csv") if row.case == PREDICTED)
    nodes = {role: slicer.util.loadVolume(str(row.files[role]), {}) for role in ("T1c", "FLAIR")}
    panel.parts.rows.choose(nodes)
    panel.ui.lesionSelector.setCurrentNode(drawn_lesion(slicer, row.files["lesion"], nodes["T1c"]))


def test_a_prediction_and_its_explanation_give_the_numbers_of_the_command_line(
    own_model_walk: Walk, open_panel: Any, slicer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """*Explain this* takes images, lesion and the own model along to a panel that was open before."""
    explaining, panel = open_panel("AttentionExplain"), open_panel("MetastasisOutcome")
    assert "my-local-failure" not in listed(panel) + listed(explaining)
    panel.ui.modelFolderEdit.currentPath = str(own_model_walk.folder / "my-model")
    panel.ui.modelSelector.setCurrentIndex(panel.ui.modelSelector.findData("my-local-failure"))
    fill(panel, slicer, own_model_walk)
    run_to_end(panel)
    assert panel._result is not None, panel.ui.statusLabel.text
    wanted = expected(own_model_walk, "prediction")
    assert panel._result.probability == pytest.approx(wanted["probability"], abs=1e-4)
    assert panel._result.report["result"]["interval"] == pytest.approx(wanted["interval"], abs=1e-3)
    assert panel._result.report["model"]["id"] == "my-local-failure"
    assert wanted["text"].partition(",")[0] in panel.ui.summaryLabel.text

    monkeypatch.setattr(slicer.util, "selectModule", lambda module: explaining.enter())
    press(panel.ui.explainButton)
    assert explaining._parameterNode.model == "my-local-failure", explaining.ui.resultLabel.text
    assert explaining.ui.modelFolderEdit.currentPath == "", "the folder was named once"
    explaining.ui.sizeSpinBox.value = 9.0
    explaining.ui.checksCheckBox.checked = False
    run_to_end(explaining)
    assert explaining._result is not None, explaining.ui.statusLabel.text
    found, wanted = explaining._result.report["result"], expected(own_model_walk, "explanation")
    assert found["probability"] == pytest.approx(wanted["probability"], abs=1e-4)
    assert found["cubes"] == wanted["cubes"]
    assert found["peak"]["value"] == pytest.approx(wanted["peak"]["value"], rel=0.02)
    assert found["peak"]["ras"] == pytest.approx(wanted["peak"]["ras"], abs=0.1)
    assert explaining.ui.summaryLabel.text == found["text"]


def test_a_folder_of_models_lists_it_with_its_own_words(
    own_model_walk: Walk, open_panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(own_model_walk.folder / "my-model", tmp_path / "models" / "my-local-failure")
    monkeypatch.setenv("LESIONLENS_MODELS", str(tmp_path / "models"))
    panel = open_panel("MetastasisOutcome")
    assert listed(panel) == ["my-local-failure"]
    panel.ui.modelSelector.setCurrentIndex(0)
    assert panel.ui.modelSelector.currentText == "Local failure of a brain metastasis within a year"
    panel.parts.about.section.collapsed = False
    assert "Its 3 folds were dealt by patient" in panel.parts.about.browser.toPlainText()


def test_what_is_wrong_with_the_model_of_another_panel_is_not_said_twice(
    own_model_walk: Walk, open_panel: Any, tmp_path: Path
) -> None:
    model = shutil.copytree(own_model_walk.folder / "my-model", tmp_path / "model")
    (model / "card.json").write_text("{")
    panel = open_panel("MetastasisOutcome")
    panel.ui.modelFolderEdit.currentPath = str(model)
    assert "cannot be read" in panel.ui.evidenceLabel.text
    explaining = open_panel("AttentionExplain")
    assert "chmfl-sarcoma" in listed(explaining)
    assert "cannot be read" not in explaining.ui.evidenceLabel.text
