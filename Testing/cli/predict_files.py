"""A good PET-CT case on disk for tests of `lesionlens predict`, and the call that predicts it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sarcoma_cases import GRID, RADIUS_MM, make_patient, place_ras
from scipy.spatial.transform import Rotation

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, write_volume

SEED = 30
SEGMENTATION = "segmentation.seg.nrrd"
# The PET has other, larger voxels than the CT and its own tilt, as where the couch was moved between the two.
PET_AXES = Rotation.from_euler("xyz", (10.0, -8.0, 15.0), degrees=True).as_matrix() @ np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class PredictCall:
    """One call of `lesionlens predict`; tests change one thing at a time."""

    inputs: tuple[tuple[str, Path], ...]
    place: tuple[str, ...]
    output: Path
    model: Path | str
    extra: tuple[str, ...] = ("--device", "cpu")

    def arguments(self) -> list[str]:
        given = [f"--input={role}={path}" for role, path in self.inputs]
        return ["predict", *given, *self.place, "--output", str(self.output), "--model", str(self.model), *self.extra]

    def with_input(self, role: str, path: Path) -> PredictCall:
        return replace(self, inputs=tuple((r, path if r == role else p) for r, p in self.inputs))

    def with_mask(self, path: Path) -> PredictCall:
        return replace(self, place=("--mask", f"lesion={path}"))

    def plus(self, *extra: str) -> PredictCall:
        return replace(self, extra=(*self.extra, *extra))


@dataclass(frozen=True)
class PredictFiles:
    """The images of a good case, a folder of its own to write into, and the model."""

    volumes: dict[str, Volume]
    paths: dict[str, Path]
    folder: Path
    model: Path

    def call(self, output: str = "result") -> PredictCall:
        inputs = tuple((role, self.paths[role]) for role in ("PET", "CT"))
        return PredictCall(inputs, ("--mask", f"lesion={self.paths['lesion']}"), self.folder / output, self.model)

    def written(self, name: str, volume: Volume) -> Path:
        path = self.folder / f"{name}.nii.gz"
        write_volume(volume, path)
        return path


def make_case(seed: int = SEED) -> dict[str, Volume]:
    """Return PET, CT and lesion of a patient: CT and lesion on the oblique left-handed grid, the PET on its own."""
    patient = make_patient(seed, 1)
    noise = np.random.default_rng(seed).uniform(0, 0.2, pet_grid().shape)
    pet = 0.5 + 9.0 * ball(RADIUS_MM, place_ras(seed), pet_grid()) + noise
    return {"PET": Volume(pet.astype(np.float32), pet_grid()), "CT": patient["CT"], "lesion": patient["lesion"]}


def pet_grid() -> Grid:
    """Return a grid of 5 x 5 x 7 mm over the same patient."""
    centre = GRID.ijk_to_lps @ np.array([*((np.array(GRID.size) - 1) / 2), 1.0])
    size, spacing = np.array([28, 28, 20]), np.array([5.0, 5.0, 7.0])
    origin = centre[:3] - PET_AXES * spacing @ ((size - 1) / 2)
    return Grid(tuple(size), tuple(spacing), tuple(origin), tuple(PET_AXES.ravel()))


def ball(radius_mm: float, center_ras: np.ndarray, grid: Grid = GRID) -> np.ndarray:
    """Return a ball (k, j, i) of 0 and 1 on a grid, that of the CT by default."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    distance = np.linalg.norm(grid.ras_from_ijk(np.stack([i, j, k], axis=-1)) - center_ras, axis=-1)
    return (distance <= radius_mm).astype(np.uint8)


def tumour_ras() -> np.ndarray:
    """Return where the tumour lies (RAS, mm)."""
    return place_ras(SEED)


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def result_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = report_of(folder)["result"]
    return found
