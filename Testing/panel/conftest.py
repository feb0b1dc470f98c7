"""The stand-in application, a tiny model, and an opened panel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.phantom import HeadPhantom, make_head_phantom

DEBIAN_PACKAGES = "libglib2.0-0 libegl1 libgl1 libxkbcommon0 libfontconfig1 libdbus-1-3 fonts-dejavu-core"
HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.panel)


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


@pytest.fixture(autouse=True)
def own_temporary_folder(slicer: Any, tmp_path: Path) -> Iterator[None]:
    """Give every test a folder for temporary files: what another run left in the common one is not this test's."""
    logic = slicer.app.applicationLogic()
    common = logic.GetTemporaryPath()
    logic.SetTemporaryPath(str(tmp_path))
    yield
    logic.SetTemporaryPath(common)
