"""Cases for the command line: a small phantom written once, and a fresh folder for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_files import CaseFiles

from LesionLensLib.phantom import write_head_phantom


@pytest.fixture(scope="session")
def phantom_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The small phantom as NIfTI files; nobody may write there."""
    return write_head_phantom(tmp_path_factory.mktemp("phantom"), seed=3, small=True)


@pytest.fixture
def case_files(phantom_files: dict[str, Path], tiny_model: Path, tmp_path: Path) -> CaseFiles:
    """A good case, the tiny model, and an empty folder."""
    return CaseFiles(phantom_files, tmp_path, tiny_model)
