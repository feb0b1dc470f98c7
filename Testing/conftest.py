"""What tests of every level share: a tiny model made on the spot, real data where it is there, one thread for torch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from own_model_page import Walk, walk_page
from scipy.spatial.transform import Rotation
from tiny_model import write_tiny_model
from tiny_outcome_model import write_tiny_outcome_model

from LesionLensLib.geometry import Grid
from LesionLensLib.phantom import HeadPhantom, make_head_phantom

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


@pytest.fixture(scope="session")
def tiny_outcome_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with tiny CHMFLs of seeded random weights, calibration, and typicality of made-up patients."""
    folder = tmp_path_factory.mktemp("outcome-models")
    return write_tiny_outcome_model(folder / "tiny-chmfl", folder / "patients")


@pytest.fixture(scope="session")
def ms_data(data_root: Path) -> Path:
    """The folder of the real multiple sclerosis cases."""
    return data_root / "ms"


@pytest.fixture(scope="session")
def oblique_grid() -> Grid:
    """Turned about all three axes, left-handed, three different spacings, three different sizes."""
    axes = Rotation.from_euler("xyz", (20.0, -15.0, 30.0), degrees=True).as_matrix() @ np.diag([1.0, 1.0, -1.0])
    return Grid((13, 11, 7), (0.7, 1.3, 3.1), (12.0, -40.0, 33.0), tuple(axes.ravel()))


@pytest.fixture(scope="session")
def phantom() -> HeadPhantom:
    """The small head of seed 0, shared: do not write into it."""
    return make_head_phantom(0, small=True)


@pytest.fixture(scope="session")
def own_model_walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """The folder in which the blocks of docs/own-model.md have run, with a trained model; nobody may write there."""
    return walk_page(tmp_path_factory.mktemp("own-model"))
