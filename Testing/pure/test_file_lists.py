"""The package holds every file: the CMake lists agree with the disk, in both directions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tools.file_lists import MODULES, ROOT, SHARED_LIST, differences, expected, listed, write


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    """What the lists speak of, in a folder that a test may change."""
    for name in ("LesionLensLib", "Resources", *MODULES):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    write(tmp_path)
    return tmp_path


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    lines = differences()
    assert not lines, "\n".join(["run: python Testing/tools/file_lists.py --write", *lines])


@pytest.mark.parametrize(
    ("forgotten", "line"),
    [
        (
            "LesionLensLib/inference/new.py",
            f"{SHARED_LIST}: LESIONLENS_PYTHON_SCRIPTS lacks LesionLensLib/inference/new.py",
        ),
        ("Resources/Colors/new.txt", f"{SHARED_LIST}: LESIONLENS_RESOURCES lacks Resources/Colors/new.txt"),
        (
            "LesionSegmentation/LesionSegmentationLib/New.py",
            "LesionSegmentation/CMakeLists.txt: MODULE_PYTHON_SCRIPTS lacks LesionSegmentationLib/New.py",
        ),
        (
            "AttentionExplain/Resources/Icons/new.png",
            "AttentionExplain/CMakeLists.txt: MODULE_PYTHON_RESOURCES lacks Resources/Icons/new.png",
        ),
    ],
)
def test_a_file_that_is_not_listed_is_found(copied_tree: Path, forgotten: str, line: str) -> None:
    assert differences(copied_tree) == []
    (copied_tree / forgotten).parent.mkdir(parents=True, exist_ok=True)
    (copied_tree / forgotten).write_text("new")
    assert differences(copied_tree) == [line]


def test_a_listed_file_that_is_gone_is_found(copied_tree: Path) -> None:
    (copied_tree / "LesionLensLib" / "errors.py").unlink()
    assert differences(copied_tree) == [
        f"{SHARED_LIST}: LESIONLENS_PYTHON_SCRIPTS names LesionLensLib/errors.py, which is not there"
    ]


def test_the_requirements_never_ask_for_torch_itself() -> None:
    lines = (ROOT / "Resources" / "requirements.txt").read_text().splitlines()
    required = [line for line in lines if line and not line.startswith("#")]
    assert required == ["safetensors>=0.5"]


def test_no_two_lists_install_a_file_under_the_same_name() -> None:
    """All modules of an extension share one folder once installed; Ninja refuses to write one file twice."""
    names = [name for wanted in expected().values() for name in wanted]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize("module", MODULES)
def test_each_module_registers_its_own_test_and_the_generic_ones(module: str) -> None:
    text = (ROOT / module / "CMakeLists.txt").read_text()
    assert "WITH_GENERIC_TESTS" in text
    assert "slicer_add_python_unittest(SCRIPT ${MODULE_NAME}.py" in text
    assert listed(ROOT / module / "CMakeLists.txt", "MODULE_NAME") == [module]
