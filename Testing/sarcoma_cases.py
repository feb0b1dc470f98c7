"""Made-up PET-CT patients on an oblique, left-handed grid: a hot ball in a limb, hotter with metastasis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from LesionLensLib.geometry import Grid, Matrix
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.manifest import ManifestRow

AXES = Rotation.from_euler("xyz", (10.0, -8.0, 15.0), degrees=True).as_matrix() @ np.diag([1.0, 1.0, -1.0])
GRID = Grid((26, 24, 18), (4.0, 4.5, 6.0), (-60.0, 35.0, 70.0), tuple(AXES.ravel()))
RADIUS_MM = 13.0
ROLES = {"PET": "PET", "CT": "CT", "MR_T1": "MR_T1", "lesion": "lesion"}


def place_ras(seed: int) -> Matrix:
    """Return where the tumour of patient `seed` lies (RAS, mm)."""
    middle = GRID.ras_from_ijk((np.array(GRID.size) - 1) / 2)
    return middle + np.random.default_rng(seed).uniform(-8, 8, 3)


def make_patient(seed: int, outcome: int) -> dict[str, Volume]:
    """Return PET in SUV, CT in HU, a T1 MR and the tumour's contour."""
    rng = np.random.default_rng((seed, 7))
    k, j, i = np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij")
    distance = np.linalg.norm(GRID.ras_from_ijk(np.stack([i, j, k], axis=-1)) - place_ras(seed), axis=-1)
    tumour = distance <= RADIUS_MM
    pet = np.where(tumour, 3.0 + 6.0 * outcome + rng.uniform(0, 2), 0.5) + rng.uniform(0, 0.2, tumour.shape)
    ct = np.where(tumour, 35.0, -60.0) + rng.normal(0, 8, tumour.shape)
    mr = np.where(tumour, 300.0, 150.0) + rng.normal(0, 15, tumour.shape)
    arrays = {"PET": pet.astype(np.float32), "CT": ct.astype(np.float32), "MR_T1": mr.astype(np.float32)}
    return {role: Volume(array, GRID) for role, array in {**arrays, "lesion": tumour.astype(np.uint8)}.items()}


def write_patients(folder: Path, count: int = 8, tested: int = 2) -> list[ManifestRow]:
    """Write `count` patients, every other one with metastasis, the last `tested` of them for testing."""
    rows = []
    for seed in range(count):
        home = folder / f"STS_{seed:03d}"
        home.mkdir(parents=True)
        for role, volume in make_patient(seed, seed % 2).items():
            write_volume(volume, home / f"{role}.nii.gz")
        split = "test" if seed >= count - tested else "train"
        files = {role: home / f"{role}.nii.gz" for role in ROLES}
        rows.append(ManifestRow(home.name, home.name, split, str(seed % 2), files))
    return rows


def write_table(rows: list[ManifestRow], path: Path) -> Path:
    """Write the manifest of `rows`."""
    lines = ["case,patient,split,label," + ",".join(ROLES)]
    for row in rows:
        files = ",".join(str(row.files[role]) for role in ROLES)
        lines.append(f"{row.case},{row.patient},{row.split},{row.label},{files}")
    path.write_text("\n".join(lines) + "\n")
    return path
