"""Bodies with a known outside on grids of any kind, and what makes a mesh a sound one, for the tests of surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from LesionLensLib.display.polydata import points_of, triangles_of
from LesionLensLib.geometry import Grid, flip_lps_ras
from LesionLensLib.images.volume import Volume


def centres(grid: Grid) -> np.ndarray:
    """Return the place (k, j, i, 3) of every voxel in RAS mm."""
    k, j, i = np.indices(grid.shape)
    return grid.ras_from_ijk(np.stack([i, j, k], axis=-1))


def grid_about(
    centre_ras: Sequence[float], edge_mm: float, spacing_mm: Sequence[float], direction: Sequence[float]
) -> Grid:
    """Return a grid of about `edge_mm` whose middle voxel lies near `centre_ras`."""
    size = [int(np.ceil(edge_mm / step)) for step in spacing_mm]
    axes = np.reshape(direction, (3, 3)) * np.array(spacing_mm)
    origin = flip_lps_ras(centre_ras) - axes @ (np.array(size) - 1) / 2 + 0.17
    return Grid(tuple(size), tuple(spacing_mm), tuple(origin), tuple(direction))  # type: ignore[arg-type]


def ball(grid: Grid, centre_ras: Sequence[float], radius_mm: float) -> Volume:
    """Return the voxels whose centres lie in a ball, as 0 and 1."""
    away = np.linalg.norm(centres(grid) - np.asarray(centre_ras), axis=-1)
    return Volume((away <= radius_mm).astype(np.uint8), grid)


def sphere_points(
    count: int, radius_mm: float, centre_ras: Sequence[float] = (0, 0, 0), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return random points (N, 3) on a sphere and their outward normals (N, 3)."""
    normals = np.random.default_rng(seed).normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(centre_ras) + radius_mm * normals, normals


def is_closed(surface: Any) -> bool:
    """Whether every edge has a triangle on both of its sides that runs along it the other way."""
    edges, opposite = _edges(triangles_of(surface))
    return bool(len(edges)) and len(np.unique(edges)) == len(edges) and np.array_equal(np.sort(edges), opposite)


def enclosed_ml(surface: Any) -> float:
    """Return the volume a closed surface in mm holds; negative where its triangles are turned inside out."""
    a, b, c = points_of(surface)[triangles_of(surface)].transpose(1, 0, 2)
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6000


def euler_characteristic(surface: Any) -> int:
    """Return points - edges + triangles: 2 for every part without a handle."""
    triangles = triangles_of(surface)
    edges, opposite = _edges(triangles)
    return len(np.unique(triangles)) - len(np.unique(np.r_[edges, opposite])) // 2 + len(triangles)


def _edges(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each directed edge as one number, as it is run along, and sorted, as it would be run back."""
    start, end = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    count = int(triangles.max(initial=0)) + 1
    return start * count + end, np.sort(end * count + start)
