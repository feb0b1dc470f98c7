"""Work that cannot even start: the panel says why, can be used again, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from panel_actions import press, run_to_end

from LesionLensLib.scene.stand_alone import StandAloneApplication


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of the application, which the system has tidied away."""
    folder = tmp_path / "Slicer-user"
    monkeypatch.setattr(StandAloneApplication, "temporaryPath", property(lambda app: str(folder)))
    return folder


def assert_can_start_again(panel: Any, slicer: Any, nodes_before: int) -> None:
    assert not panel.logic.isRunning
    assert panel.ui.applyButton.text == "Apply"
    assert panel.ui.applyButton.enabled
    assert not panel.ui.progressBar.visible
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes_before


def test_a_temporary_folder_that_was_tidied_away_is_made_again(filled: Any, temporary: Path) -> None:
    assert not temporary.exists()
    run_to_end(filled)
    assert filled.ui.statusLabel.text.startswith("Done in")
    assert list(temporary.iterdir()) == []


def test_a_temporary_folder_that_cannot_be_used_is_named_with_a_remedy(
    filled: Any, slicer: Any, temporary: Path
) -> None:
    temporary.write_text("no folder")
    before = slicer.mrmlScene.GetNumberOfNodes()
    press(filled.ui.applyButton)
    shown = filled.ui.statusLabel.text
    assert "The temporary folder of the application cannot be used: File exists." in shown
    assert "name another temporary folder" in shown
    assert_can_start_again(filled, slicer, before)


def test_an_unforeseen_error_at_the_start_is_told_and_logged(
    filled: Any, slicer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a node without a name")

    monkeypatch.setattr("LesionSegmentationLib.SegmentationRun.writeImages", fail)
    before = slicer.mrmlScene.GetNumberOfNodes()
    press(filled.ui.applyButton)
    assert "The work could not be started: a node without a name." in filled.ui.statusLabel.text
    assert "RuntimeError" in filled.ui.logEdit.toPlainText()
    assert "RuntimeError: a node without a name" in caplog.text, "the application's log has the traceback"
    assert_can_start_again(filled, slicer, before)


def test_a_panel_without_a_parent_keeps_what_its_own_setup_has_built(
    panel: Any, slicer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `ScriptedLoadableModuleWidget.__init__` of Slicer does it: without a parent it calls `setup` itself."""
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget

    import LesionSegmentation

    def prepare(widget: Any, parent: Any = None) -> None:
        widget.parent = parent
        widget.setup()

    monkeypatch.setattr(ScriptedLoadableModuleWidget, "__init__", prepare)
    monkeypatch.setattr(
        LesionSegmentation.LesionSegmentationWidget, "setup", lambda widget: setattr(widget, "panel", "built")
    )
    assert LesionSegmentation.LesionSegmentationWidget().panel == "built"
