"""The stand-in application, a tiny model, and an opened panel."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume
from LesionLensLib.phantom import HeadPhantom, make_head_phantom

DEBIAN_PACKAGES = "libglib2.0-0 libegl1 libgl1 libxkbcommon0 libfontconfig1 libdbus-1-3 fonts-dejavu-core"
TIME_LIMIT_S = 120


@pytest.fixture(scope="session")
def slicer() -> Any:
    """The application; without Qt or Slicer's libraries the tests are skipped, in CI they fail."""
    try:
        from Testing.stand_in import install

        return install()
    except (ImportError, EnvironmentFault) as error:
        reason = f"no Qt or no slicer-core here: {error}. On Debian: apt-get install {DEBIAN_PACKAGES}"
        if os.environ.get("LESIONLENS_REQUIRE_RENDERER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def head() -> HeadPhantom:
    """A small simulated head with lesions; nothing may change it."""
    return make_head_phantom(small=True)


@pytest.fixture
def models(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models holds the tiny one only."""
    monkeypatch.setenv("LESIONLENS_MODELS", str(tiny_model.parent))
    return tiny_model.parent


@pytest.fixture
def panel(slicer: Any, models: Path) -> Iterator[Any]:
    """The opened panel of LesionSegmentation on an empty scene, the tiny model chosen."""
    from Testing.stand_in import PanelHost

    slicer.mrmlScene.Clear(0)
    host = PanelHost("LesionSegmentation")
    host.widget.ui.modelSelector.setCurrentIndex(0)
    assert host.widget._parameterNode.model == "tiny-ms"
    yield host.widget
    host.close()
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def filled(panel: Any, head: HeadPhantom) -> Any:
    """The panel with the images of the small head chosen."""
    from LesionSegmentationLib.SampleCase import addHead

    panel.parts.rows.choose(addHead(head))
    return panel


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
