"""The quick estimate of the lesion load as one line of the panel."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from panel_actions import run_to_end
from quick_model import write_quick_model


def test_the_panel_shows_the_estimate_in_one_line_and_forgets_it_with_the_result(
    filled: Any, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not filled.ui.estimateLabel.visible
    root = tmp_path / "models"
    shutil.copytree(tiny_model, root / "tiny-ms")
    write_quick_model(root)
    monkeypatch.setenv("LESIONLENS_MODELS", str(root))
    run_to_end(filled)
    result = filled._result.report["result"]
    line = filled.ui.estimateLabel.text
    assert line == result["quick_estimate"]["text"]
    assert line.startswith("Quick estimate, learned from simulated lesions: 4.9 ml (left 3.3, right 1.6)")
    assert f"measured {result['lesion_volume_ml']:.1f} ml" in line
    assert filled.ui.estimateLabel.visible
    filled.parts.showResult(None)
    assert filled.ui.estimateLabel.text == ""
    assert not filled.ui.estimateLabel.visible
