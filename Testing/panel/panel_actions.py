"""What a user does with the panel: press, wait, run to the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

TIME_LIMIT_S = 180


def press(button: Any) -> None:
    """Press a button with the mouse, as a user does."""
    import qt

    assert button.enabled, button.toolTip
    qt.QTest.mouseClick(button, qt.Qt.LeftButton)


def wait_until(condition: Callable[[], bool], limit_s: float = TIME_LIMIT_S) -> None:
    """Let the event loop run until the condition holds; fails after the limit."""
    import slicer

    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"nothing happened within {limit_s} s"
        slicer.app.processEvents()
        time.sleep(0.002)


def run_to_end(panel: Any) -> None:
    """Press Apply and wait for the end of the work."""
    press(panel.ui.applyButton)
    assert panel.logic.isRunning, panel.ui.statusLabel.text
    wait_until(lambda: not panel.logic.isRunning)


def moved(volume: Volume, shift_mm: float) -> Volume:
    """Return the volume shifted to the patient's left."""
    grid = volume.grid
    left, *others = grid.origin_lps
    return Volume(volume.array, Grid(grid.size, grid.spacing_mm, (left + shift_mm, *others), grid.direction_lps))
