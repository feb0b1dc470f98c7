"""Smooth random fields that live in the patient, not in voxels: any grid sees the same lesion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid

Field = NDArray[np.float32]
Points = NDArray[np.float64]
WAVES = 64


@dataclass(frozen=True, eq=False)
class SmoothField:
    """A random field of zero mean and unit deviation over RAS space, a sum of plane waves.

    `waves` (n, 3) are wave vectors in radians a mm, `phases` (n,) radians. With normally distributed wave vectors the
    covariance at distance r is exp(-r² / 2 L²). Source: Rahimi and Recht, "Random features for large-scale kernel
    machines", NIPS 2007, section 3.
    """

    waves: Points
    phases: Points

    @classmethod
    def draw(cls, length_mm: float, rng: np.random.Generator, waves: int = WAVES) -> SmoothField:
        """Return a field with correlation length `length_mm`."""
        return cls(rng.normal(0, 1 / length_mm, (waves, 3)), rng.uniform(0, 2 * np.pi, waves))

    def at(self, points: Points) -> Field:
        """Return the field at `points` (..., 3) in RAS mm."""
        angles = points.reshape(-1, 3) @ self.waves.T + self.phases
        values: Field = self._scale(np.cos(angles).sum(axis=1)).reshape(points.shape[:-1])
        return values

    def on(self, grid: Grid) -> Field:
        """Return the field on every voxel (k, j, i) of a grid.

        A wave over a lattice is a product of one factor an axis, so the sum is a matrix product instead of a cosine
        for every voxel and wave.
        """
        matrix = grid.ijk_to_ras
        along_i, along_j, along_k = (
            np.exp(1j * np.outer(np.arange(n), self.waves @ matrix[:3, axis])) for axis, n in enumerate(grid.size)
        )
        along_k = along_k * np.exp(1j * (self.waves @ matrix[:3, 3] + self.phases))
        planes = (along_k[:, None] * along_j[None]).reshape(-1, len(self.phases))
        summed = planes.real @ along_i.real.T - planes.imag @ along_i.imag.T
        return self._scale(summed).reshape(grid.shape)

    def _scale(self, summed: Points) -> Field:
        scaled: Field = (np.sqrt(2 / len(self.phases)) * summed).astype(np.float32)
        return scaled
