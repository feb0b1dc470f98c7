"""A small head with lesions and the result folder a segmentation of it would write, on a grid of any orientation."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from LesionLensLib.geometry import Grid
from LesionLensLib.images.segmentation_file import Segment, write_segmentation
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume
from LesionLensLib.scene.terminology import BRAIN, LESION, find_term

SEGMENT_ID = "lesion"
# Centre in RAS (mm) and radius (mm); the first is the largest and lies in the patient's LEFT hemisphere.
LESIONS = (((-30.0, 12.0, 14.0), 9.0), ((24.0, -18.0, 6.0), 5.0))
MARK_RAS = (-30.0, 12.0, 14.0)


def oblique_grid(left_handed: bool) -> Grid:
    """Return a grid turned about all axes, 1.5 x 1.2 x 3.1 mm; its centre is the middle of the head at RAS 0."""
    axes = Rotation.from_euler("xyz", [9.0, -7.0, 14.0], degrees=True).as_matrix() * [1.5, 1.2, 3.1]
    if left_handed:
        axes[:, 0] *= -1
    size = (116, 160, 54)
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = -axes @ ((np.array(size) - 1) / 2)
    return Grid.from_ijk_to_ras(matrix, size)


@dataclass(frozen=True)
class ResultCase:
    """The folder with the result, the path of the reference image, and what was planted in it."""

    folder: Path
    image: Path
    grid: Grid
    flair: NDArray[np.int16]
    lesions: NDArray[np.bool_]
    probability: NDArray[np.float32]
    brain: NDArray[np.bool_]


def make_case(directory: Path, grid: Grid, evidence: str = "real-data", with_lesions: bool = True) -> ResultCase:
    """Write image, result folder and brain mask under `directory`."""
    ras = _voxel_ras(grid)
    brain = ((ras / [66.0, 84.0, 60.0]) ** 2).sum(-1) < 1
    head = ((ras / [74.0, 92.0, 70.0]) ** 2).sum(-1) < 1
    lesions = np.zeros(grid.shape, bool)
    for center, radius in LESIONS if with_lesions else ():
        lesions |= np.linalg.norm(ras - center, axis=-1) < radius
    noise = np.random.default_rng(5).normal(0, 12, grid.shape)
    flair = (40 * head + 210 * brain + 240 * lesions + noise * head).clip(0).astype(np.int16)
    probability = ndimage.gaussian_filter(lesions.astype(np.float32), 0.7)
    folder, image = directory / "result", directory / "FLAIR.nii.gz"
    folder.mkdir(parents=True)
    write_volume(Volume(flair, grid), image)
    write_volume(Volume(brain.astype(np.uint8), grid), directory / "brain.nrrd")
    _write_result(folder, grid, lesions, probability, evidence)
    return ResultCase(folder, image, grid, flair, lesions, probability, brain)


def _voxel_ras(grid: Grid) -> NDArray[np.float64]:
    k, j, i = np.indices(grid.shape)
    return grid.ras_from_ijk(np.stack([i, j, k], -1))


def _write_result(
    folder: Path, grid: Grid, lesions: NDArray[np.bool_], probability: NDArray[np.float32], evidence: str
) -> None:
    term = find_term(LESION, BRAIN)
    segment = Segment(SEGMENT_ID, "MS lesion", 1, term.color, term.entry)
    write_segmentation(Volume(lesions.astype(np.uint8), grid), [segment], folder / "segmentation.seg.nrrd")
    write_volume(Volume(probability, grid), folder / "probability.nrrd")
    rows = lesion_rows(lesions, probability, grid)
    with (folder / "lesions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["lesion", "volume_ml", "centroid_r", "centroid_a", "centroid_s", "mean_probability", "max_probability"]
        )
        writer.writerows(rows)
    report = {
        "schema": 1,
        "model": {"id": "rsanet-ms", "version": "1.0", "sha256": "0" * 64, "evidence": evidence},
        "inputs": [{"role": "FLAIR", "grid": grid.to_dict()}],
        "result": {"lesion_count": len(rows), "lesion_volume_ml": sum(row[1] for row in rows)},
        "findings": [{"severity": "info", "code": "note", "text": 'Läsion <&> "quoted"\n\ttabbed'}],
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def lesion_rows(
    lesions: NDArray[np.bool_], probability: NDArray[np.float32], grid: Grid
) -> list[tuple[int, float, float, float, float, float, float]]:
    """Return the rows of `lesions.csv`, largest lesion first."""
    labels, count = ndimage.label(lesions, structure=np.ones((3, 3, 3)))
    order = sorted(range(1, count + 1), key=lambda n: -(labels == n).sum())
    rows = []
    for rank, number in enumerate(order, 1):
        where = labels == number
        center = grid.ras_from_ijk(np.argwhere(where).mean(0)[::-1])
        values = probability[where].astype(float)
        rows.append((rank, float(where.sum() * grid.voxel_ml), *map(float, center), values.mean(), values.max()))
    return rows
