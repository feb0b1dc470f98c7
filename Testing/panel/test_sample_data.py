"""The entries of Sample Data: one click fills the rows, the console gets nodes, a blocked network is told."""

from __future__ import annotations

import hashlib
import importlib
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tools.file_lists import ROOT

NAMES = {"LesionSegmentation": ("LesionLensHead", "LesionLensMS"),
         "MetastasisOutcome": ("LesionLensThigh", "LesionLensSarcoma")}  # fmt: skip
NATIVE = {"LesionLensMS": "ms/native/lj_long_p04_study1/{role}.nii.gz",
          "LesionLensSarcoma": "sarcoma_petct/native/STS_024/{role}_image.nii.gz"}  # fmt: skip


@pytest.fixture
def sample_data(
    slicer: Any, panel: Any, outcome_panel: Any, head: Any, thigh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The module Sample Data with our sources, both panels opened, small phantoms, an empty cache."""
    panel._parameterNode.model = "tiny-ms"  # opening the other panel has emptied the scene
    module = importlib.import_module("Testing.stand_in.sample_data")
    monkeypatch.setitem(sys.modules, "SampleData", module)
    monkeypatch.setattr("LesionLensLib.phantom.make_head_phantom", lambda: head)
    monkeypatch.setattr("LesionLensLib.phantom.make_thigh_phantom", lambda: thigh)
    cache = slicer.mrmlScene.GetCacheManager()
    before = cache.GetRemoteCacheDirectory()
    cache.SetRemoteCacheDirectory(str(tmp_path / "cache"))
    slicer.modules.sampleDataSources = {}
    slots = {slot.__module__: slot for signature, slot in slicer.app.slots if signature == "startupCompleted()"}
    for name in NAMES:
        slots[name]()
        slots[name]()  # a second start-up of the module, as after a reload, offers nothing twice
    yield module
    del slicer.modules.sampleDataSources
    cache.SetRemoteCacheDirectory(before)


def source(slicer: Any, name: str) -> Any:
    (found,) = (one for one in slicer.modules.sampleDataSources["LesionLens"] if one.sampleName == name)
    return found


def click(slicer: Any, name: str) -> None:
    one = source(slicer, name)
    one.customDownloader(one)


def serve(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str, Path], None]) -> None:
    plain = urllib.request.urlretrieve

    def retrieve(url: str, path: Path, *more: Any) -> Any:
        return plain(url, path, *more) if url.startswith("file:") else answer(url, Path(path))

    monkeypatch.setattr(urllib.request, "urlretrieve", retrieve)


def test_four_cases_are_offered_once_each_with_a_thumbnail(slicer: Any, sample_data: Any) -> None:
    sources = slicer.modules.sampleDataSources["LesionLens"]
    assert sorted(one.sampleName for one in sources) == sorted(name for names in NAMES.values() for name in names)
    for one in sources:
        with Image.open(one.thumbnailFileName) as picture:
            assert picture.size == (260, 280)


def test_a_click_on_the_head_fills_the_rows_of_the_panel(slicer: Any, sample_data: Any, panel: Any) -> None:
    click(slicer, "LesionLensHead")
    assert [node.GetName() for node in panel.parts.rows.nodes().values()] == [
        "Sample head T1", "Sample head T2", "Sample head FLAIR"
    ]  # fmt: skip
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip


def test_a_click_on_the_thigh_chooses_model_images_and_tumour(
    slicer: Any, sample_data: Any, outcome_panel: Any
) -> None:
    click(slicer, "LesionLensThigh")
    node = outcome_panel._parameterNode
    assert node.model == "chmfl-sarcoma"
    assert node.lesion.GetName() == "Sample thigh tumour"
    assert node.parameterNode.GetNodeReference("Channel_PET").GetName() == "Sample thigh PET"
    assert node.parameterNode.GetNodeReference("Channel_CT").GetName() == "Sample thigh CT"


def test_the_console_gets_the_simulated_cases_without_a_network(
    slicer: Any, sample_data: Any, head: Any, thigh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SampleData.downloadSample` opens addresses and calls no downloader of a source's own."""
    from LesionLensLib.scene.segments import lesion_mask
    from LesionLensLib.scene.volumes import volume_of_node

    serve(monkeypatch, lambda url, path: pytest.fail(f"{url} was opened"))
    assert sample_data.downloadSample("LesionLensHead").GetName() == "Sample head T1"
    nodes = sample_data.SampleDataLogic().downloadSamples("LesionLensHead")
    assert len(nodes) == 3
    assert (volume_of_node(nodes[2]).array == head.FLAIR.array).all()
    pet, ct, tumour = sample_data.SampleDataLogic().downloadSamples("LesionLensThigh")
    assert volume_of_node(pet).array.max() == pytest.approx(thigh.PET.array.max())
    assert lesion_mask(tumour, ct).sum() == (thigh.lesion.array > 0).sum()


@pytest.mark.parametrize(("module", "name"), [(module, names[1]) for module, names in NAMES.items()])
def test_a_blocked_network_is_told_and_leaves_nothing(
    slicer: Any, sample_data: Any, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    told: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **more: told.append(text))

    def refuse(url: str, path: Path) -> None:
        raise urllib.error.URLError("Name or service not known")

    serve(monkeypatch, refuse)
    click(slicer, name)
    (text,) = told
    assert text.startswith("The sample case could not be downloaded: Download failed: urlopen error Name or service")
    assert "press Load sample case, which needs no network" in text
    assert slicer.util.getNodesByClass("vtkMRMLVolumeNode") == []


def test_a_file_with_another_hash_is_told_and_what_was_loaded_before_it_goes(
    slicer: Any, sample_data: Any, head: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from LesionLensLib.images.write import write_volume

    told: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **more: told.append(text))
    serve(monkeypatch, lambda url, path: write_volume(head.T1, path))
    image = tmp_path / "image.nii.gz"
    write_volume(head.T1, image)
    good = f"SHA256:{hashlib.sha256(image.read_bytes()).hexdigest()}"
    source(slicer, "LesionLensMS").checksums[0] = good
    click(slicer, "LesionLensMS")
    assert "Checksum verification failed" in told[0]
    assert slicer.util.getNodesByClass("vtkMRMLVolumeNode") == []


def test_a_download_with_the_right_hashes_fills_the_rows(
    slicer: Any, sample_data: Any, panel: Any, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The originals in the folder of real cases have the hashes of the list, and the addresses end in their names."""
    from LesionLensLib.panel.SampleSources import downloads

    for name, case in downloads().items():
        for file in case["files"]:
            pattern = NATIVE[name] if file["role"] != "tumour" else "sarcoma_petct/native/STS_024/CT_mask.nii.gz"
            original = data_root / pattern.format(role=file["role"])
            content = original.read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
            assert len(content) == file["bytes"]

    def copy(url: str, path: Path) -> None:
        role = next(file["role"] for file in downloads()["LesionLensMS"]["files"] if file["url"] == url)
        path.write_bytes((data_root / NATIVE["LesionLensMS"].format(role=role)).read_bytes())

    serve(monkeypatch, copy)
    click(slicer, "LesionLensMS")
    assert {role: node.GetName() for role, node in panel.parts.rows.nodes().items()} == {
        role: f"LesionLensMS {role}" for role in ("T1", "T2", "FLAIR")
    }
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip


def test_every_download_is_pinned_checked_and_credited() -> None:
    from LesionLensLib.panel.SampleSources import downloads

    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    for name, case in downloads().items():
        assert name in page
        assert case["licence"].startswith("CC-BY")
        assert case["citation"]
        for file in case["files"]:
            commit = file["url"].removeprefix(f"{case['source']}/raw/").split("/")[0]
            assert len(commit) == 40, "a branch may move"
            assert len(file["sha256"]) == 64
