"""The entry for Slicer's index of extensions passes the rules that are published with it.

The rules are those of Slicer/ExtensionsIndex (scripts/check_description_files.py, scripts/extension_ai_analysis.py) and
of Slicer/Slicer (Schemas/slicer-extension-catalog-entry-schema-v1.0.1.json), as far as they can be checked here.
"""

from __future__ import annotations

import ast
import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tools.file_lists import MODULES, ROOT

NAME = "LesionLens"
FIELDS = {
    "$schema": str, "category": str, "scm_url": str, "scm_revision": str, "scm_type": str, "build_dependencies": list,
    "build_subdirectory": str, "enabled": bool, "tier": int,
}  # fmt: skip
REQUIRED = {"$schema", "category", "scm_url"}
# Of the index's list of categories those that could be meant.
CATEGORIES = {"Segmentation", "Neuroimaging", "Nuclear Medicine", "Quantification", "Analysis"}
LICENCE_NAMES = ("LICENSE", "LICENCE", "License.txt", "license.txt", "LICENSE.txt", "COPYING", "COPYING.txt")
ALLOWED_AT_FILE_SCOPE = {"slicer", "vtk", "SimpleITK", "numpy", "scipy", "qt", "ctk"}
OUR_OWN = {"LesionLensLib", *(f"{module}Lib" for module in MODULES)}
LARGEST_CLONE = 100 * 2**20


@pytest.fixture(scope="module")
def entry() -> dict[str, Any]:
    return json.loads((ROOT / f"{NAME}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cmake_text() -> str:
    return (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG file."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n"), f"{path.name} is no PNG"
    return struct.unpack(">II", head[16:24])


def published(url: str) -> Path:
    """Return the file of this repository that a raw URL of it serves."""
    prefix = "https://raw.githubusercontent.com/LesionLens/SlicerLesionLens/main/"
    assert url.startswith(prefix)
    return ROOT / url.removeprefix(prefix)


def test_the_entry_has_the_fields_of_the_schema_and_no_other(entry: dict[str, Any]) -> None:
    assert set(entry) >= REQUIRED
    assert {name: type(value) for name, value in entry.items()} == {name: FIELDS[name] for name in entry}
    assert entry["$schema"].split("#")[0].endswith("/Schemas/slicer-extension-catalog-entry-schema-v1.0.1.json")
    assert 1 <= entry["tier"] <= 5
    assert all(isinstance(name, str) and name for name in entry["build_dependencies"])


def test_category_and_repository_are_named_as_the_index_wants(entry: dict[str, Any]) -> None:
    assert entry["category"] in CATEGORIES
    url = urlsplit(entry["scm_url"])
    assert url.scheme in ("git", "https")
    assert Path(url.path).stem.startswith("Slicer")
    assert not NAME.lower().startswith("slicer")


def test_the_cmake_file_says_the_same_as_the_entry(entry: dict[str, Any], cmake_text: str) -> None:
    project = re.findall(r"project\s*\(\s*([^\s\)\n\r]+)", cmake_text, re.IGNORECASE | re.MULTILINE)
    assert project[0] == NAME
    values = dict(re.findall(r'set\(EXTENSION_(\w+) "([^"]*)"\)', cmake_text))
    assert values["CATEGORY"] == entry["category"]
    assert values["DEPENDS"].split() == entry["build_dependencies"]
    assert 40 < len(values["DESCRIPTION"]) < 300
    assert re.fullmatch(r"[^()]+ \([^()]+\)(, [^()]+ \([^()]+\))*", values["CONTRIBUTORS"])


def test_icon_and_screenshots_are_found_by_the_index_s_pattern_and_are_pictures(cmake_text: str) -> None:
    (icon,) = re.findall(r'set\s*\(EXTENSION_ICONURL\s*"([^"]+)"[ ]*\)', cmake_text, re.IGNORECASE | re.MULTILINE)
    assert png_size(published(icon)) == (128, 128)
    (shots,) = re.findall(r'set\s*\(EXTENSION_SCREENSHOTURLS\s*"([^"]+)"\)', cmake_text, re.IGNORECASE | re.MULTILINE)
    assert shots.split()
    for url in shots.split():
        assert min(png_size(published(url))) > 300


def test_the_licence_stands_in_the_root() -> None:
    assert any((ROOT / name).is_file() for name in LICENCE_NAMES)


def test_a_clone_stays_below_the_limit_with_its_history() -> None:
    """The pack of everything that `HEAD` reaches is what a clone transfers."""
    objects = subprocess.run(
        ["git", "rev-list", "--objects", "--disk-usage", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if objects.returncode != 0:
        pytest.skip("this is no checkout of a repository")
    assert 0 < int(objects.stdout) < LARGEST_CLONE


def panel_files() -> list[Path]:
    """Return what the application imports: module files, their libraries, and the panel room."""
    folders = [ROOT / "LesionLensLib" / "panel", *(ROOT / module / f"{module}Lib" for module in MODULES)]
    return [ROOT / module / f"{module}.py" for module in MODULES] + [p for f in folders for p in sorted(f.glob("*.py"))]


@pytest.mark.parametrize("path", panel_files(), ids=lambda path: path.stem)
def test_nothing_foreign_is_imported_at_file_scope_and_nothing_runs_there(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    imported = {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in body if isinstance(node, ast.ImportFrom)}
    tops = {name.split(".")[0] for name in imported}
    assert tops - sys.stdlib_module_names - ALLOWED_AT_FILE_SCOPE - OUR_OWN == set()
    definitions = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    is_text = [isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body]
    assert all(isinstance(node, definitions) or text for node, text in zip(body, is_text, strict=True))


def test_no_code_installs_torch_with_pip() -> None:
    """It comes through the PyTorch extension, which knows the graphics card."""
    for path in panel_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(getattr(node, "func", None), "attr", "")
            if isinstance(node, ast.Call) and called.startswith(("pip_", "executePython")):
                assert "torch" not in ast.unparse(node), path.name


def test_the_readme_has_what_the_index_asks_for() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "![" in text
    for module in ("Lesion Segmentation", "Metastasis Outcome", "Attention Explain"):
        assert re.search(rf"{module}\W+\w[^\n]{{20,}}", text)
    assert re.search(r"^## .*citation", text, re.MULTILINE | re.IGNORECASE)
    assert "Sample Data" in text
