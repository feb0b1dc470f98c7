"""Counting and measuring lesions: connected components of the segmentation, numbered from the largest."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.geometry import Grid

COLUMNS = (
    "lesion",
    "volume_ml",
    "centroid_r",
    "centroid_a",
    "centroid_s",
    "mean_probability",
    "max_probability",
)
# Voxels that touch by a face, an edge or a corner belong together, as the MS literature counts lesions.
NEIGHBOURS_26 = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class Lesion:
    """A connected lesion: `number` from 1 (largest), volume in ml, centroid in RAS mm, probability in its voxels."""

    number: int
    volume_ml: float
    centroid_ras: tuple[float, float, float]
    mean_probability: float
    max_probability: float


def find_lesions(
    mask: NDArray[np.generic], probability: NDArray[np.floating], grid: Grid, min_volume_ml: float = 0.0
) -> tuple[NDArray[np.uint8], tuple[Lesion, ...]]:
    """Split `mask` into lesions, drop those below `min_volume_ml`, and measure the rest.

    `mask` and `probability` are `(k, j, i)` on `grid`. Returns the mask of the lesions kept (0 or 1) and the lesions,
    largest first; lesions of equal size stand in the order of their first voxel in memory, so that numbers are stable.
    """
    labels, count = ndimage.label(np.asarray(mask) != 0, structure=NEIGHBOURS_26)
    voxels = np.flatnonzero(labels)
    owner = labels.ravel()[voxels]
    sizes = np.bincount(owner, minlength=count + 1)
    large_enough = sizes * grid.voxel_ml >= min_volume_ml * (1 - 1e-9)
    large_enough[0] = False
    kept: NDArray[np.uint8] = large_enough[labels].astype(np.uint8)
    # `label` numbers components by their first voxel, so a stable sort by size keeps that order among equals.
    order = [n for n in np.argsort(-sizes, kind="stable") if large_enough[n]]
    centroids = _centroids_ras(voxels, owner, sizes, grid)
    inside = np.asarray(probability).ravel()[voxels].astype(np.float64)
    sums = np.bincount(owner, weights=inside, minlength=count + 1)
    highest = np.zeros(count + 1)
    np.maximum.at(highest, owner, inside)
    lesions = tuple(
        Lesion(
            number=number,
            volume_ml=float(sizes[n] * grid.voxel_ml),
            centroid_ras=(float(centroids[n, 0]), float(centroids[n, 1]), float(centroids[n, 2])),
            mean_probability=float(sums[n] / sizes[n]),
            max_probability=float(highest[n]),
        )
        for number, n in enumerate(order, start=1)
    )
    return kept, lesions


def write_lesions_csv(path: Path, lesions: Sequence[Lesion]) -> None:
    """Write one row a lesion with the columns of the public contract: ml, RAS mm, probabilities."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for lesion in lesions:
            numbers = (*lesion.centroid_ras, lesion.mean_probability, lesion.max_probability)
            writer.writerow([lesion.number, f"{lesion.volume_ml:.6f}", *(f"{value:.4f}" for value in numbers)])


def _centroids_ras(
    voxels: NDArray[np.intp], owner: NDArray[np.int32], sizes: NDArray[np.intp], grid: Grid
) -> NDArray[np.float64]:
    ijk = np.unravel_index(voxels, grid.shape)[::-1]
    sums = np.stack([np.bincount(owner, weights=axis, minlength=len(sizes)) for axis in ijk], axis=-1)
    return grid.ras_from_ijk(sums / np.maximum(sizes, 1)[:, None])
