"""Stopping the work: Cancel, a closed scene, a removed node, a reload. The child here is a real process that waits."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from panel_actions import press, wait_until

# Says where it stands, starts a child of its own as the real program's libraries may, and waits for ever.
SLOW_PROGRAM = """
import json, os, pathlib, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
job = json.loads(pathlib.Path(sys.argv[2]).read_text())
pathlib.Path(os.environ["PIDS"]).write_text(f"{os.getpid()} {grandchild.pid}")
print(json.dumps({"event": "progress", "phase": "network", "fraction": 0.5, "text": "half way"}), flush=True)
time.sleep(600)
"""


@pytest.fixture
def working(filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The panel of LesionSegmentation half way through a run."""
    return half_way(filled, tmp_path, monkeypatch)


@pytest.fixture
def predicting(outcome_filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The panel of MetastasisOutcome half way through a run."""
    return half_way(outcome_filled, tmp_path, monkeypatch)


def half_way(panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    program = tmp_path / "slow.py"
    program.write_text(SLOW_PROGRAM)
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    panel.logic.program = [sys.executable, str(program)]
    press(panel.ui.applyButton)
    wait_until(lambda: panel.ui.progressBar.value == 50, 30)
    panel.pids = [int(text) for text in (tmp_path / "pids").read_text().split()]
    return panel


def is_alive(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def assert_nothing_is_left(panel: Any, slicer: Any, nodes_before: int | None = None) -> None:
    deadline = time.monotonic() + 5
    while any(is_alive(pid) for pid in panel.pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(is_alive(pid) for pid in panel.pids)
    assert not list(Path(slicer.app.temporaryPath).glob("LesionLens-*"))
    assert not panel.logic.isRunning
    assert panel.ui.applyButton.text == "Apply"
    if nodes_before is not None:
        assert slicer.mrmlScene.GetNumberOfNodes() == nodes_before


def test_cancel_leaves_no_node_no_folder_and_no_process(working: Any, slicer: Any) -> None:
    before = slicer.mrmlScene.GetNumberOfNodes()
    assert working.ui.statusLabel.text == "Half way"
    assert working.ui.applyButton.text == "Cancel"
    assert not working.ui.inputsCollapsibleButton.enabled
    press(working.ui.applyButton)
    assert_nothing_is_left(working, slicer, before)
    assert working.ui.statusLabel.text == "Cancelled. Nothing was left behind."
    assert working.ui.applyButton.enabled, "the same case can be started again"


def test_cancel_of_a_prediction_leaves_nothing(predicting: Any, slicer: Any) -> None:
    before = slicer.mrmlScene.GetNumberOfNodes()
    assert predicting.ui.applyButton.text == "Cancel"
    assert not predicting.ui.inputsCollapsibleButton.enabled
    press(predicting.ui.applyButton)
    assert_nothing_is_left(predicting, slicer, before)
    assert predicting.ui.statusLabel.text == "Cancelled. Nothing was left behind."
    assert predicting.ui.applyButton.enabled, "the same case can be started again"


def test_closing_the_scene_stops_a_prediction_and_empties_the_panel(predicting: Any, slicer: Any) -> None:
    slicer.mrmlScene.Clear(0)
    assert_nothing_is_left(predicting, slicer)
    assert predicting.ui.statusLabel.text == "Stopped, because the scene was closed."
    assert predicting.ui.lesionPartSelector.count == 0


def test_removing_the_lesion_stops_a_prediction(predicting: Any, slicer: Any) -> None:
    slicer.mrmlScene.RemoveNode(predicting._parameterNode.lesion)
    assert_nothing_is_left(predicting, slicer)
    assert predicting.ui.statusLabel.text == "Stopped, because Tumour drawn by hand was removed from the scene."


def test_a_reload_stops_a_prediction(predicting: Any, slicer: Any) -> None:
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "LesionLensLib"}
    try:
        slicer.modules.metastasisoutcome.widgetRepresentation().self().onReload()
        assert_nothing_is_left(predicting, slicer)
    finally:  # other tests hold classes of the modules as they were
        sys.modules.update(kept)


def test_closing_the_scene_stops_the_child_and_says_so(working: Any, slicer: Any) -> None:
    slicer.mrmlScene.Clear(0)
    assert_nothing_is_left(working, slicer)
    assert working.ui.statusLabel.text == "Stopped, because the scene was closed."


def test_removing_an_input_stops_the_child_and_names_the_node(working: Any, slicer: Any) -> None:
    slicer.mrmlScene.RemoveNode(working.parts.rows.nodes()["T2"])
    assert_nothing_is_left(working, slicer)
    assert working.ui.statusLabel.text == "Stopped, because Sample head T2 was removed from the scene."


def test_removing_another_node_does_not_stop_the_child(working: Any, slicer: Any) -> None:
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "note")
    slicer.mrmlScene.RemoveNode(other)
    assert working.logic.isRunning
    assert all(is_alive(pid) for pid in working.pids)
    press(working.ui.applyButton)


def test_leaving_the_module_does_not_stop_the_child(working: Any) -> None:
    working.exit()
    assert working.logic.isRunning
    working.enter()
    assert working.ui.applyButton.text == "Cancel"
    press(working.ui.applyButton)


def test_a_reload_stops_the_child_and_reads_our_libraries_again(working: Any, slicer: Any) -> None:
    old = sys.modules["LesionLensLib.jobs"]
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "LesionLensLib"}
    try:
        slicer.modules.lesionsegmentation.widgetRepresentation().self().onReload()
        assert_nothing_is_left(working, slicer)
        assert sys.modules.get("LesionLensLib.jobs") is not old
    finally:  # other tests hold classes of the modules as they were
        sys.modules.update(kept)


def test_closing_the_application_stops_the_child_even_where_no_panel_is_closed(working: Any, slicer: Any) -> None:
    (quit_slot,) = [slot for signature, slot in slicer.app.slots if signature == "aboutToQuit()"]
    quit_slot()
    assert_nothing_is_left(working, slicer)
    assert not any(signature == "aboutToQuit()" for signature, _ in slicer.app.slots), "an ended run listens no more"


def test_a_second_start_is_refused(working: Any) -> None:
    from LesionLensLib.errors import UserError

    with pytest.raises(UserError, match="already running"):
        working.logic.start(working.parts.rows.nodes(), model="tiny-ms")
    press(working.ui.applyButton)


def test_a_program_that_cannot_start_leaves_no_folder_and_says_what_to_do(filled: Any, slicer: Any) -> None:
    filled.logic.program = [os.devnull]
    press(filled.ui.applyButton)
    assert "could not be started" in filled.ui.statusLabel.text
    assert not list(Path(slicer.app.temporaryPath).glob("LesionLens-*"))
    assert filled.ui.applyButton.text == "Apply"


def test_a_program_that_crashes_is_reported_and_the_log_keeps_what_it_wrote(filled: Any, tmp_path: Path) -> None:
    program = tmp_path / "crash.py"
    program.write_text("import sys; print('the reason', file=sys.stderr); sys.exit(7)")
    filled.logic.program = [sys.executable, str(program)]
    press(filled.ui.applyButton)
    wait_until(lambda: not filled.logic.isRunning, 30)
    assert "ended unexpectedly (code 7)" in filled.ui.statusLabel.text
    assert "the reason" in filled.ui.logEdit.toPlainText()
