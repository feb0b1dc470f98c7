"""Opening the panels: quick, without torch, of the right size, honest about what is not there yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panel_actions import press
from tools.file_lists import ROOT

from LesionLensLib.images.resample import resample
from LesionLensLib.phantom import ThighPhantom

OPEN_PANEL = """
import sys, time
from Testing.stand_in import PanelHost, install
install()
start = time.process_time()
host = PanelHost(sys.argv[2])
print(time.process_time() - start)
host.picture(sys.argv[1])
loaded = {"numpy", "vtk", "vtkmodules", "slicer", "slicer_core", "PySide6", "shiboken6"}  # before any panel opens
installed = {m.split(".")[0] for m, v in sys.modules.items() if "site-packages" in (getattr(v, "__file__", "") or "")}
print(sorted(name for name in installed - loaded if not name.startswith("_")))
host.close()
"""


@pytest.mark.parametrize("module", ["LesionSegmentation", "MetastasisOutcome", "AttentionExplain"])
def test_opening_a_panel_is_quick_and_imports_nothing_that_the_application_has_not_loaded(
    slicer: Any, models: Path, tiny_outcome_model: Path, tmp_path: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if module != "LesionSegmentation":
        monkeypatch.setenv("LESIONLENS_MODELS", str(tiny_outcome_model.parent))
    command = [sys.executable, "-c", OPEN_PANEL, str(tmp_path / "panel.png"), module]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    seconds, imported = run.stdout.splitlines()[-2:]
    assert imported == "[]"
    assert float(seconds) < 1.0  # far above the benchmark `panel_opens_ms`, which has the figure
    assert (tmp_path / "panel.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("module", "beside"),
    [
        ("LesionSegmentation", ["LibraryPath"]),
        ("MetastasisOutcome", ["Device", "LibraryPath"]),
        ("AttentionExplain", ["LibraryPath"]),
    ],
)
def test_importing_the_module_file_runs_nothing_but_definitions(slicer: Any, module: str, beside: list[str]) -> None:
    code = (
        f"import sys; from Testing.stand_in import install; install(); sys.path.insert(0, '{module}'); "
        f"before, modules = list(sys.path), set(sys.modules); import {module}; "
        f"print(sys.path == before, sorted(m for m in set(sys.modules) - modules if 'Le' in m or '{module}' in m))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    same_path, modules = run.stdout.strip().split(" ", 1)
    assert same_path == "True"
    assert modules == str([module, f"{module}Lib", *(f"{module}Lib.{name}" for name in beside)])


@pytest.mark.parametrize("module", ["LesionSegmentation", "MetastasisOutcome", "AttentionExplain"])
def test_the_library_is_found_in_the_source_tree(slicer: Any, module: str) -> None:
    """As in the application, only the module's own folder is on the path."""
    code = (
        f"import sys; sys.path.insert(0, sys.argv[1]); from {module}Lib.LibraryPath import ensureLibrary; "
        "ensureLibrary(); import LesionLensLib; print(LesionLensLib.__file__)"
    )
    command = [sys.executable, "-P", "-c", code, str(ROOT / module)]
    run = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, check=True)
    assert Path(run.stdout.strip()) == ROOT / "LesionLensLib" / "__init__.py"


@pytest.mark.parametrize("fixture", ["filled", "outcome_filled", "explain_panel", "explain_filled"])
def test_the_panels_fit_the_module_panel_of_a_laptop(slicer: Any, request: pytest.FixtureRequest, fixture: str) -> None:
    panel = request.getfixturevalue(fixture)
    for _ in range(5):
        slicer.app.processEvents()
    needed = panel.parent.minimumSizeHint
    assert needed.width() <= 430
    assert needed.height() <= 750
    assert panel.ui.advancedCollapsibleButton.collapsed


def test_the_sample_case_button_fills_every_row(panel: Any, monkeypatch: pytest.MonkeyPatch, head: Any) -> None:
    monkeypatch.setattr("LesionLensLib.phantom.make_head_phantom", lambda: head)
    press(panel.ui.sampleButton)
    assert [node.GetName() for node in panel.parts.rows.nodes().values()] == [
        "Sample head T1", "Sample head T2", "Sample head FLAIR"
    ]  # fmt: skip
    assert panel.ui.applyButton.enabled
    press(panel.ui.sampleButton)
    assert panel.parts.rows.nodes()["T1"].GetName() == "Sample head T1_1", "a second load does not replace the first"


def test_the_sample_case_button_of_the_outcome_chooses_images_and_tumour(
    slicer: Any, outcome_panel: Any, monkeypatch: pytest.MonkeyPatch, thigh: ThighPhantom
) -> None:
    monkeypatch.setattr("LesionLensLib.phantom.make_thigh_phantom", lambda: thigh)
    panel = outcome_panel
    press(panel.ui.sampleButton)
    nodes = panel.parts.rows.nodes()
    assert [node.GetName() for node in nodes.values()] == ["Sample thigh PET", "Sample thigh CT"]
    assert panel.ui.lesionSelector.currentNode().GetName() == "Sample thigh tumour"
    assert panel.ui.lesionPartSelector.currentText == "Tumour"
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    press(panel.ui.sampleButton)
    assert panel.parts.rows.nodes()["CT"].GetName() == "Sample thigh CT_1", "a second load does not replace the first"
    assert panel.ui.lesionSelector.currentNode().GetName() == "Sample thigh tumour_1"


def test_the_tumour_of_the_sample_lies_on_the_uptake_and_is_a_neoplasm_of_soft_tissue(
    slicer: Any, outcome_panel: Any, thigh: ThighPhantom
) -> None:
    from MetastasisOutcomeLib.SampleCase import addThigh

    from LesionLensLib.scene.segments import lesion_mask, segment_ids, terminology_of
    from LesionLensLib.scene.volumes import volume_of_node

    nodes, tumour = addThigh(thigh)
    mask = lesion_mask(tumour, nodes["CT"])
    assert mask.sum() == (thigh.lesion.array > 0).sum()
    pet, ct = (volume_of_node(nodes[role]) for role in ("PET", "CT"))
    suv = resample(pet, ct.grid).array
    assert np.median(suv[mask]) > 3 > 1.5 > np.percentile(suv[~mask], 95)
    (segment_id,) = segment_ids(tumour)
    entry = terminology_of(tumour.GetSegmentation().GetSegment(segment_id))
    assert "108369006^Neoplasm" in entry
    assert "87784001^Soft tissue" in entry


def test_the_self_test_of_metastasis_outcome_passes(outcome_panel: Any) -> None:
    from MetastasisOutcome import MetastasisOutcomeTest

    MetastasisOutcomeTest().runTest()


def test_the_self_test_of_attention_explain_passes(explain_panel: Any) -> None:
    from AttentionExplain import AttentionExplainTest

    AttentionExplainTest().runTest()


def test_a_missing_model_folder_is_said_and_locks_apply(
    slicer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from Testing.stand_in import PanelHost

    monkeypatch.setenv("LESIONLENS_MODELS", str(tmp_path))
    slicer.mrmlScene.Clear(0)
    host = PanelHost("LesionSegmentation")
    assert not host.panel.ui.applyButton.enabled
    assert host.panel.ui.statusLabel.text == "There is no such model; choose one from the list."
    host.close()
