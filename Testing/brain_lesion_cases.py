"""Made-up brains with a bright ball in each, on an oblique, left-handed grid: brighter where local failure follows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from LesionLensLib.geometry import Grid, Matrix
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.metastases.records import SCHEMA

AXES = Rotation.from_euler("xyz", (10.0, -8.0, 15.0), degrees=True).as_matrix() @ np.diag([1.0, 1.0, -1.0])
GRID = Grid((24, 22, 20), (2.0, 2.2, 2.5), (-30.0, 20.0, 50.0), tuple(AXES.ravel()))
MIDDLE = GRID.ras_from_ijk((np.array(GRID.size) - 1) / 2)
BRAIN_MM = 20.0
COLUMNS = ("T1c", "FLAIR", "brain", "lesion", "truth")
TWO_LESIONS = 2
"""The patient who has two lesions, one of each outcome."""


def distance_from(center_ras: Matrix) -> Matrix:
    k, j, i = np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij")
    distances: Matrix = np.linalg.norm(GRID.ras_from_ijk(np.stack([i, j, k], axis=-1)) - center_ras, axis=-1)
    return distances


def write_patients(folder: Path, count: int = 14, tested: int = 4) -> list[ManifestRow]:
    """Write patients with one lesion (patient 2 has two), every other one failing, the last `tested` for testing."""
    rows = []
    for seed in range(count):
        rows += _write_patient(folder / f"p{seed:02d}", seed, "test" if seed >= count - tested else "train")
    return rows


def _write_patient(home: Path, seed: int, split: str) -> list[ManifestRow]:
    home.mkdir(parents=True)
    rng = np.random.default_rng((seed, 3))
    brain = distance_from(MIDDLE) <= BRAIN_MM
    images = {role: level + rng.normal(0, 20, GRID.shape) for role, level in (("T1c", 500.0), ("FLAIR", 300.0))}
    lesions = []
    for number, side in enumerate((-9.0, 9.0) if seed == TWO_LESIONS else (-9.0,)):
        failed = (seed + number) % 2
        radius = 4.0 + 2.0 * rng.random()
        ball = distance_from(MIDDLE + np.array([side, *rng.uniform(-3, 3, 2)])) <= radius
        images["T1c"][ball] += 150 + 350 * failed
        images["FLAIR"][ball] += 100
        lesions.append((ball, failed, radius))
    shared = {"brain": Volume(brain.astype(np.uint8), GRID)}
    shared |= {role: Volume((image * brain).astype(np.float32), GRID) for role, image in images.items()}
    for role, volume in shared.items():
        write_volume(volume, home / f"{role}.nii.gz")
    rows = []
    for number, (ball, failed, radius) in enumerate(lesions):
        write_volume(Volume(ball.astype(np.uint8), GRID), home / f"lesion{number}.nii.gz")
        truth = {"schema": SCHEMA, "logit": 3.0 * failed - 1.5 + 0.1 * radius}
        (home / f"truth{number}.json").write_text(json.dumps(truth))
        files = {role: home / f"{role}.nii.gz" for role in shared}
        files |= {"lesion": home / f"lesion{number}.nii.gz", "truth": home / f"truth{number}.json"}
        rows.append(ManifestRow(f"{home.name}_lesion{number}", home.name, split, str(failed), files))
    return rows


def write_table(rows: list[ManifestRow], path: Path) -> Path:
    """Write the manifest of `rows`."""
    lines = ["case,patient,split,label," + ",".join(COLUMNS)]
    for row in rows:
        lines.append(",".join([row.case, row.patient, row.split, row.label, *(str(row.files[c]) for c in COLUMNS)]))
    path.write_text("\n".join(lines) + "\n")
    return path
