"""Where metastases settle: mostly where grey meets white matter, inside the brain and apart from one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid, Matrix
from LesionLensLib.training.brain import CSF, GREY, WHITE
from LesionLensLib.training.metastases.lattice import box_around, distance_mm, offsets_mm

JUNCTION_SHARE = 0.8
"""About this share of metastases lies at the junction of grey and white matter (Hwang et al., Cancer 77, 1996)."""

JUNCTION_MM = 5.0
MOST_FLUID = 0.2
MOST_OUTSIDE = 0.06
KEEP_APART_MM = 8.0
TRIES = 150

Place = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Seats:
    """Where in a brain a metastasis may settle: voxels (n, 3) in (k, j, i) order at the junction, and anywhere."""

    tissue: NDArray[np.uint8]
    grid: Grid
    at_junction: NDArray[np.intp]
    anywhere: NDArray[np.intp]

    @classmethod
    def of(cls, tissue: NDArray[np.uint8], grid: Grid) -> Seats:
        """Find the seats in a tissue map (k, j, i)."""
        junction = (tissue == WHITE) & (distance_mm(tissue == GREY, grid) < JUNCTION_MM)
        return cls(tissue, grid, np.argwhere(junction), np.argwhere(tissue >= GREY))

    def place(self, radius_mm: float, taken: Sequence[tuple[Place, float]], rng: np.random.Generator) -> Place | None:
        """Return a point in RAS for a lesion of `radius_mm`, clear of the (centre, radius) of those in `taken`.

        A ball of that size around it may hold little fluid and hardly anything outside the brain. None where `TRIES`
        random places were all unfit.
        """
        for _ in range(TRIES if len(self.anywhere) else 0):
            spots = self.at_junction if len(self.at_junction) and rng.random() < JUNCTION_SHARE else self.anywhere
            k, j, i = spots[int(rng.integers(len(spots)))] + rng.uniform(-0.5, 0.5, 3)
            center = self.grid.ras_from_ijk((i, j, k))
            free = all(_apart(center, radius_mm, other) for other in taken)
            if free and _fits(self.tissue, self.grid, center, radius_mm):
                return float(center[0]), float(center[1]), float(center[2])
        return None


def _apart(center: Matrix, radius_mm: float, other: tuple[Place, float]) -> bool:
    return bool(np.linalg.norm(center - np.array(other[0])) > 1.3 * (radius_mm + other[1]) + KEEP_APART_MM)


def _fits(tissue: NDArray[np.uint8], grid: Grid, center: Matrix, radius_mm: float) -> bool:
    reach = radius_mm + max(grid.spacing_mm)
    index = grid.ijk_from_ras(center)
    if np.any(index - reach / np.array(grid.spacing_mm) < 0) or np.any(
        index + reach / np.array(grid.spacing_mm) > np.array(grid.size) - 1
    ):
        return False
    box = box_around(grid, center, reach)
    inside = tissue[box.part][np.linalg.norm(offsets_mm(box.grid, center), axis=-1) <= max(radius_mm, 1.0)]
    if not inside.size:
        return True
    return bool((inside == CSF).mean() <= MOST_FLUID and (inside == 0).mean() <= MOST_OUTSIDE)
