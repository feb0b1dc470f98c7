"""The stand-in application, a tiny model, and an opened panel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.predict_files import make_case
from outcome_nodes import Prediction, by_command_line, drawn_lesion

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.images.write import write_volume
from LesionLensLib.phantom import HeadPhantom, ThighPhantom, make_head_phantom, make_thigh_phantom

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


@pytest.fixture(scope="session")
def thigh() -> ThighPhantom:
    """A small simulated thigh with a sarcoma; nothing may change it."""
    return make_thigh_phantom(small=True)


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
    host.panel.ui.modelSelector.setCurrentIndex(0)
    assert host.panel._parameterNode.model == "tiny-ms"
    yield host.panel
    host.close()
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def filled(panel: Any, head: HeadPhantom) -> Any:
    """The panel with the images of the small head chosen."""
    from LesionSegmentationLib.SampleCase import addHead

    panel.parts.rows.choose(addHead(head))
    return panel


@pytest.fixture
def outcome_models(tiny_outcome_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models holds the tiny outcome model only."""
    monkeypatch.setenv("LESIONLENS_MODELS", str(tiny_outcome_model.parent))
    return tiny_outcome_model.parent


@pytest.fixture
def outcome_panel(slicer: Any, outcome_models: Path) -> Iterator[Any]:
    """The opened panel of MetastasisOutcome on an empty scene, the tiny model chosen."""
    from Testing.stand_in import PanelHost

    slicer.mrmlScene.Clear(0)
    host = PanelHost("MetastasisOutcome")
    host.panel.ui.modelSelector.setCurrentIndex(0)
    assert host.panel._parameterNode.model == "tiny-chmfl"
    yield host.panel
    host.close()
    slicer.mrmlScene.Clear(0)


@pytest.fixture(scope="session")
def pet_ct_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A made-up PET-CT patient with the mask of the lesion as NIfTI files; nobody may write there."""
    folder = tmp_path_factory.mktemp("pet-ct-panel")
    paths = {role: folder / f"patient {role}.nii.gz" for role in ("PET", "CT", "lesion")}
    for role, volume in make_case().items():
        write_volume(volume, paths[role])
    return paths


@pytest.fixture
def outcome_filled(outcome_panel: Any, slicer: Any, pet_ct_paths: dict[str, Path]) -> Any:
    """The panel with PET, CT and the drawn lesion, as Slicer's own reader loads them, chosen."""
    nodes = {role: slicer.util.loadVolume(str(pet_ct_paths[role]), {}) for role in ("PET", "CT")}
    outcome_panel.parts.rows.choose(nodes)
    outcome_panel.ui.lesionSelector.setCurrentNode(drawn_lesion(slicer, pet_ct_paths["lesion"], nodes["CT"]))
    return outcome_panel


@pytest.fixture
def explain_panel(slicer: Any, outcome_models: Path) -> Iterator[Any]:
    """The opened panel of AttentionExplain on an empty scene, the tiny outcome model listed, no run remembered."""
    import qt

    from Testing.stand_in import PanelHost

    qt.QSettings().remove("LesionLens")
    slicer.mrmlScene.Clear(0)
    host = PanelHost("AttentionExplain")
    yield host.panel
    host.close()
    slicer.mrmlScene.Clear(0)


@pytest.fixture(scope="session")
def predicted(
    tiny_outcome_model: Path, pet_ct_paths: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The result folder that the command line makes of the case."""
    return by_command_line(["predict"], tiny_outcome_model, pet_ct_paths, tmp_path_factory.mktemp("predicted"))


@pytest.fixture
def prediction(explain_panel: Any, slicer: Any, predicted: Path, pet_ct_paths: dict[str, Path]) -> Prediction:
    """A prediction in the scene, as the panel of MetastasisOutcome leaves it."""
    from LesionLensLib.scene.prediction import show_prediction
    from LesionLensLib.scene.provenance import remember_masks

    images = {role: slicer.util.loadVolume(str(pet_ct_paths[role]), {}) for role in ("PET", "CT")}
    lesion = drawn_lesion(slicer, pet_ct_paths["lesion"], images["CT"])
    report = show_prediction(predicted, images, context_surface=False).report
    remember_masks(report, lesion, "tumour")
    return Prediction(report, images, lesion)


@pytest.fixture
def explain_filled(explain_panel: Any, prediction: Prediction) -> Any:
    """The panel with that prediction chosen."""
    explain_panel.ui.resultSelector.setCurrentNode(prediction.report)
    return explain_panel


@pytest.fixture(autouse=True)
def own_temporary_folder(slicer: Any, tmp_path: Path) -> Iterator[None]:
    """Give every test a folder for temporary files: what another run left in the common one is not this test's."""
    logic = slicer.app.applicationLogic()
    common = logic.GetTemporaryPath()
    logic.SetTemporaryPath(str(tmp_path))
    yield
    logic.SetTemporaryPath(common)
