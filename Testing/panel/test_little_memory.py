"""With too little memory for the fast way a run takes a smaller one, and says every step in panel and report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from panel_actions import run_to_end

PROGRAM = Path(__file__).resolve().parents[1] / "limited_program.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address-space limits are read on Linux")
def test_each_step_of_the_ladder_reaches_the_status_line_and_the_report(filled: Any) -> None:
    filled.logic.program = [sys.executable, str(PROGRAM)]
    run_to_end(filled)
    assert filled._result is not None, filled.ui.statusLabel.text
    steps = filled._result.report["ladder"]
    assert len(steps) >= 2
    assert all("not tried, it needs about" in step and "is free" in step for step in steps[:-1])
    assert steps[-1].startswith("windows of ")
    assert ": done (" in steps[-1]
    told = filled.ui.logEdit.toPlainText()  # every line of it has stood in the status line
    for step in steps[:-1]:
        assert step in told
    assert steps[-1].partition(": done")[0] in told
