"""One start for desktop and plain Python."""

from __future__ import annotations

import builtins
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.process import child_environment
from LesionLensLib.scene import start as start_module

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_second_start_returns_the_same_scene(slicer: Any) -> None:
    scene = slicer.mrmlScene
    assert start_module.start().mrmlScene is scene


def test_in_desktop_slicer_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    desktop = types.SimpleNamespace(app=types.SimpleNamespace(mainApplicationName="Slicer"))
    monkeypatch.setattr(start_module, "_import_slicer", lambda: desktop)
    monkeypatch.setattr(start_module, "_start_core", lambda *_: pytest.fail("started a second application"))

    assert start_module.start() is desktop
    assert not hasattr(desktop, "mrmlScene")


def test_without_slicers_libraries_the_remedy_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "slicer":
            raise ImportError("No module named 'slicer'")
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(EnvironmentFault, match="not installed") as caught:
        start_module.start()
    assert "lesionlens[scene]" in caught.value.remedy


def test_the_start_is_silent_and_every_module_logic_knows_the_scene() -> None:
    code = (
        "from LesionLensLib.scene.start import MODULE_LOGICS, start\n"
        "slicer = start()\n"
        "assert len(MODULE_LOGICS) == 18\n"
        "for name in MODULE_LOGICS:\n"
        "    assert getattr(slicer.modules, name).logic().GetMRMLScene() is slicer.mrmlScene, name\n"
        "    assert slicer.app.applicationLogic().GetModuleLogic(MODULE_LOGICS[name][1]), name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=child_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == ""


def test_the_library_loads_no_slicer_before_it_is_needed() -> None:
    code = "import sys, LesionLensLib.scene.build; assert 'slicer' not in sys.modules and 'vtk' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], env=child_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_closing_the_scene_empties_the_subject_hierarchy(slicer: Any) -> None:
    from LesionLensLib.scene.hierarchy import add_folder, subject_hierarchy

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "note")
    add_folder("folder", beside=node)
    assert subject_hierarchy().GetNumberOfItems() == 2

    slicer.mrmlScene.Clear(0)

    assert subject_hierarchy().GetNumberOfItems() == 0


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_slicer_util_saves_and_loads_through_the_stand_alone_application(
    slicer: Any, tmp_path: Path, suffix: str
) -> None:
    import numpy as np

    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    node = slicer.util.addVolumeFromArray(array, ijkToRAS=np.diag([2.0, 3.0, 4.0, 1.0]), name="saved")
    assert slicer.util.saveNode(node, str(tmp_path / f"saved{suffix}"), {})

    again = slicer.util.loadVolume(str(tmp_path / f"saved{suffix}"), {"name": "again"})

    np.testing.assert_array_equal(slicer.util.arrayFromVolume(again), array)
    assert again.GetSpacing() == (2.0, 3.0, 4.0)
