"""The pure rooms need neither torch nor Slicer, surfaces no more than VTK: they load where the rest is forbidden."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WALL = """
import importlib, pkgutil, sys

FORBIDDEN = {forbidden}

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in FORBIDDEN:
            raise ImportError(f"{{name}} is forbidden here")

sys.meta_path.insert(0, Wall())
names = {names}
for room in {rooms}:
    package = importlib.import_module(f"LesionLensLib.{{room}}")
    names += [f"{{package.__name__}}.{{module.name}}" for module in pkgutil.iter_modules(package.__path__)]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
HEAVY = ("torch", "slicer", "qt", "ctk", "monai", "matplotlib")
PURE_NAMES = ["geometry", "errors", "progress", "explain.distance", "explain.regions", "explain.shells"]


def loaded_behind_a_wall(forbidden: tuple[str, ...], rooms: tuple[str, ...], names: list[str]) -> int:
    """Import modules in a process of its own where others cannot be found; return how many."""
    code = WALL.format(forbidden=forbidden, rooms=rooms, names=[f"LesionLensLib.{name}" for name in names])
    repository = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def test_geometry_images_inputs_outcome_phantom_and_regions_load_without_torch_vtk_and_slicer() -> None:
    rooms = ("images", "inputs", "outcome", "phantom")
    assert loaded_behind_a_wall((*HEAVY, "vtk", "vtkmodules"), rooms, PURE_NAMES) >= 25


def test_surfaces_load_without_torch_and_slicer_and_without_the_whole_of_vtk() -> None:
    pytest.importorskip("vtkmodules", reason="VTK is not installed (optional group: scene)")
    # `import vtk` takes half a second and loads the renderer; the parts needed come one by one.
    assert loaded_behind_a_wall((*HEAVY, "vtk"), ("explain.surface",), []) >= 14
