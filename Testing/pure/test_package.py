"""The package holds the whole extension, and what is unpacked from it works on its own."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import package
from file_lists import MODULES, ROOT

VERSION = "5.12"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package.build(tmp_path_factory.mktemp("dist"), VERSION)


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extensions")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    assert top.name == archive.name.removesuffix(".tar.gz")
    return top


def test_the_same_sources_give_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    assert package.build(tmp_path, VERSION).read_bytes() == archive.read_bytes()


def test_the_extensions_manager_finds_name_dependency_and_licence(unpacked: Path) -> None:
    share = unpacked / "share" / f"Slicer-{VERSION}"
    lines = (share / "LesionLens.s4ext").read_text().splitlines()
    values = dict(line.split(" ", 1) for line in lines)
    assert values["depends"] == "PyTorch"
    assert values["category"]
    assert values["description"]
    assert (share / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_every_module_with_its_resources_is_in_the_package_and_is_python(unpacked: Path) -> None:
    scripted = unpacked / "lib" / f"Slicer-{VERSION}" / "qt-scripted-modules"
    for module in MODULES:
        ast.parse((scripted / f"{module}.py").read_text(encoding="utf-8"))
        assert (scripted / "Resources" / "Icons" / f"{module}.png").is_file()
    assert (scripted / "Resources" / "UI" / "LesionSegmentation.ui").is_file()


def test_the_unpacked_library_runs_and_finds_its_own_models(unpacked: Path, tmp_path: Path) -> None:
    scripted = unpacked / "lib" / f"Slicer-{VERSION}" / "qt-scripted-modules"
    environment = {name: value for name, value in os.environ.items() if name != "LESIONLENS_MODELS"}
    done = subprocess.run(
        [sys.executable, "-m", "LesionLensLib", "models", "--json"],
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(scripted)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shipped = {path.parent.name for path in (ROOT / "Resources" / "Models").glob("*/card.json")}
    assert {entry["id"] for entry in json.loads(done.stdout)} == shipped
    assert all(entry["matches"] for entry in json.loads(done.stdout))
    script = "import LesionLensLib, pathlib; print(pathlib.Path(LesionLensLib.__file__).resolve())"
    where = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(scripted)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(unpacked.resolve())
