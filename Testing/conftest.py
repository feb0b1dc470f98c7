"""What tests of every level share: a tiny model made on the spot, real data where it is there, one thread for torch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real cases (LESIONLENS_DATA, else ../shared/data); tests that need it are skipped without it."""
    root = Path(os.environ.get("LESIONLENS_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (root / "ms").is_dir():
        pytest.skip("no real data: set LESIONLENS_DATA to the folder that holds ms/")
    return root


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with an RSANet of base width 8 and seeded random weights: the pipeline runs, medicine does not."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-ms")
