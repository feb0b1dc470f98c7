"""A child that the system kills at any moment of its work leaves no node, no file and no process, and is explained."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import forked_child
import pytest
from panel_actions import press, wait_until
from test_stopping import is_alive

from LesionLensLib import process

KILLS = 20
MOST_TRIES = 40


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which everything temporary is made, ours and the child's, but for the server's own."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    forkserver.ensure_running()
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_child_killed_at_twenty_random_moments_leaves_nothing(
    filled: Any, slicer: Any, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slicer.app.applicationLogic().SetTemporaryPath(str(files))
    children: list[forked_child.ForkedChild] = []
    monkeypatch.setattr(
        process, "_start", lambda command, token: children.append(forked_child.start(command, token)) or children[-1]
    )
    images, duration_s = filled.parts.rows.nodes(), 0.0  # of the work; each run that ends by itself tells it anew
    moments, killed = random.Random(20), 0
    for _ in range(MOST_TRIES):
        filled.parts.rows.choose(images)
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        begin = time.monotonic()
        press(filled.ui.applyButton)
        kill_at = begin + moments.uniform(0, duration_s) if duration_s else float("inf")
        wait_until(lambda at=kill_at: time.monotonic() >= at or not filled.logic.isRunning)
        if not filled.logic.isRunning:  # done before the moment came: start from the images again
            assert filled._result is not None, filled.ui.statusLabel.text
            duration_s = sum(filled._result.report["timing"].values())
            remove_results(slicer, images)
            continue
        os.kill(children[-1].pid, signal.SIGKILL)
        wait_until(lambda: not filled.logic.isRunning)
        if filled._result is not None:  # it had just said its result
            remove_results(slicer, images)
            continue
        killed += 1
        assert "stopped by the system" in filled.ui.statusLabel.text
        assert slicer.mrmlScene.GetNumberOfNodes() == nodes
        assert list(files.iterdir()) == []
        assert not any(is_alive(child.pid) for child in children)
        if killed == KILLS:
            break
    assert killed == KILLS


def remove_results(slicer: Any, images: dict[str, Any]) -> None:
    """Remove what a finished run has added to the scene."""
    for class_name in ("vtkMRMLSegmentationNode", "vtkMRMLTableNode", "vtkMRMLTextNode", "vtkMRMLModelNode"):
        for node in slicer.util.getNodesByClass(class_name):
            slicer.mrmlScene.RemoveNode(node)
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if not any(node is image for image in images.values()):
            slicer.mrmlScene.RemoveNode(node)
