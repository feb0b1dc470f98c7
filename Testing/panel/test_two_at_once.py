"""Two panels work at once: each gets its own result, and the window never waits for either."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from outcome_nodes import drawn_lesion
from panel_actions import press, wait_until
from pulse import LONGEST_PAUSE_S, Pulse


@pytest.fixture
def both(
    slicer: Any, head: Any, tiny_model: Path, tiny_outcome_model: Path, pet_ct_paths: dict[str, Path],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> Any:  # fmt: skip
    """The panels of LesionSegmentation and MetastasisOutcome side by side, their images chosen."""
    from Testing.stand_in import PanelHost

    root = tmp_path / "models"
    root.mkdir()
    for model in (tiny_model, tiny_outcome_model):
        (root / model.name).symlink_to(model)
    monkeypatch.setenv("LESIONLENS_MODELS", str(root))
    slicer.mrmlScene.Clear(0)
    hosts = [PanelHost(name) for name in ("LesionSegmentation", "MetastasisOutcome")]
    segmenting, predicting = (host.panel for host in hosts)
    for panel in (segmenting, predicting):
        panel.ui.modelSelector.setCurrentIndex(0)
    from LesionSegmentationLib.SampleCase import addHead

    segmenting.parts.rows.choose(addHead(head))
    nodes = {role: slicer.util.loadVolume(str(pet_ct_paths[role]), {}) for role in ("PET", "CT")}
    predicting.parts.rows.choose(nodes)
    predicting.ui.lesionSelector.setCurrentNode(drawn_lesion(slicer, pet_ct_paths["lesion"], nodes["CT"]))
    yield segmenting, predicting
    for host in hosts:
        host.close()
    slicer.mrmlScene.Clear(0)


def test_two_panels_work_at_once_and_the_window_never_waits(slicer: Any, both: Any, predicted: Path) -> None:
    """The children are real. What their results take to show comes after the work and is a benchmark's matter."""
    pulse, pressed_s = Pulse(both), []
    for panel in both:
        start = time.thread_time()
        press(panel.ui.applyButton)
        pressed_s.append(time.thread_time() - start)
    pulse.begin()
    assert all(panel.logic.isRunning for panel in both), [panel.ui.statusLabel.text for panel in both]
    folders = {path.name for path in Path(slicer.app.temporaryPath).glob("LesionLens-*")}
    assert len(folders) == 2
    wait_until(lambda: not any(panel.logic.isRunning for panel in both))
    assert max(pressed_s + pulse.pauses_s) < LONGEST_PAUSE_S
    assert all(len(texts) >= 4 for texts in pulse.seen), "what the children say arrives while they work"
    segmenting, predicting = both
    assert segmenting._result.report["result"]["lesion_count"] > 0
    assert predicting._result.report["result"] == json.loads((predicted / "report.json").read_text())["result"]
    assert not list(Path(slicer.app.temporaryPath).glob("LesionLens-*"))
