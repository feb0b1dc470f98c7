"""Cases for the command line: a small phantom written once, and a fresh folder for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_files import CaseFiles
from predict_files import PredictFiles, make_case

from LesionLensLib.images import write_volume
from LesionLensLib.phantom import write_head_phantom


@pytest.fixture(scope="session")
def phantom_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The small phantom as NIfTI files; nobody may write there."""
    return write_head_phantom(tmp_path_factory.mktemp("phantom"), seed=3, small=True)


@pytest.fixture
def case_files(phantom_files: dict[str, Path], tiny_model: Path, tmp_path: Path) -> CaseFiles:
    """A good case, the tiny model, and an empty folder."""
    return CaseFiles(phantom_files, tmp_path, tiny_model)


@pytest.fixture(scope="session")
def pet_ct_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A made-up PET-CT patient as NIfTI files; nobody may write there."""
    folder = tmp_path_factory.mktemp("pet-ct")
    paths = {}
    for role, volume in make_case().items():
        paths[role] = folder / f"{role}.nii.gz"
        write_volume(volume, paths[role])
    return paths


@pytest.fixture
def predict_files(pet_ct_files: dict[str, Path], tiny_outcome_model: Path, tmp_path: Path) -> PredictFiles:
    """A good PET-CT case, the tiny outcome model, and an empty folder."""
    return PredictFiles(make_case(), pet_ct_files, tmp_path, tiny_outcome_model)
