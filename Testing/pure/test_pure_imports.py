"""The pure rooms need neither torch nor Slicer: they load where both are forbidden."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BLOCKED = """
import importlib, pkgutil, sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "slicer", "vtk", "qt", "ctk", "monai", "matplotlib"):
            raise ImportError(f"{name} is forbidden here")

sys.meta_path.insert(0, Wall())
import LesionLensLib
names = ["LesionLensLib.geometry", "LesionLensLib.errors", "LesionLensLib.progress"]
for room in ("images", "inputs", "outcome", "phantom"):
    package = importlib.import_module(f"LesionLensLib.{room}")
    names += [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_geometry_images_inputs_outcome_and_phantom_load_without_torch_and_slicer() -> None:
    repository = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", BLOCKED], cwd=repository, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 25
