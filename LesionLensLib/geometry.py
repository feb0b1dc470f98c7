"""Where voxels lie in the patient: the one place that converts between RAS and LPS.

Slicer's world is RAS (x to the patient's Right, Anterior, Superior), files and ITK use LPS. Both are in millimetres
and differ by the sign of the first two axes. Voxel indices are written (i, j, k), fastest axis first as ITK and
Slicer do; numpy arrays are indexed the other way round, `array[k, j, i]`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]
LPS_RAS_FLIP: Matrix = np.diag([-1.0, -1.0, 1.0, 1.0])


def flip_lps_ras(points_mm: ArrayLike) -> Matrix:
    """Turn points `(..., 3)` in LPS into RAS, or back: the conversion is its own inverse."""
    flipped: Matrix = np.asarray(points_mm, dtype=np.float64) * np.array([-1.0, -1.0, 1.0])
    return flipped


@dataclass(frozen=True)
class Grid:
    """A regular lattice of voxels: size `(i, j, k)`, spacing in mm, origin and axis directions in LPS.

    `direction_lps` is the 3 x 3 matrix whose columns are the unit vectors of the i, j and k axes, row-major as in ITK,
    so that `lps = origin + direction @ (spacing * ijk)`. It may be left-handed (negative determinant).
    Raises `ValueError` for sizes below one, spacing that is not positive, or a singular or non-orthogonal direction.
    """

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_lps: tuple[float, float, float]
    direction_lps: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(int(n) for n in self.size))
        object.__setattr__(self, "spacing_mm", tuple(float(s) for s in self.spacing_mm))
        object.__setattr__(self, "origin_lps", tuple(float(o) for o in self.origin_lps))
        object.__setattr__(self, "direction_lps", tuple(float(d) for d in np.ravel(self.direction_lps)))
        if len(self.size) != 3 or min(self.size) < 1:
            raise ValueError(f"a grid needs three sizes of at least one voxel, not {self.size}")
        if len(self.spacing_mm) != 3 or not all(np.isfinite(self.spacing_mm)) or min(self.spacing_mm) <= 0:
            raise ValueError(f"a grid needs three positive spacings in mm, not {self.spacing_mm}")
        if len(self.origin_lps) != 3 or not all(np.isfinite(self.origin_lps)):
            raise ValueError(f"a grid needs a finite origin in mm, not {self.origin_lps}")
        direction = np.reshape(self.direction_lps, (3, 3))
        if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-3):
            raise ValueError("the axes of a grid must be unit vectors at right angles")

    @classmethod
    def from_ijk_to_ras(cls, matrix: ArrayLike, size: Sequence[int]) -> Grid:
        """Build a grid from Slicer's 4 x 4 IJK-to-RAS matrix and the size `(i, j, k)`."""
        return cls._from_ijk_to_lps(LPS_RAS_FLIP @ np.asarray(matrix, dtype=np.float64), size)

    @classmethod
    def _from_ijk_to_lps(cls, matrix: Matrix, size: Sequence[int]) -> Grid:
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        if not np.all(spacing > 0):
            raise ValueError("a grid needs three positive spacings in mm: the matrix is singular")
        direction = matrix[:3, :3] / spacing
        return cls(tuple(size), tuple(spacing), tuple(matrix[:3, 3]), tuple(direction.ravel()))  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Grid:
        """Rebuild a grid from `to_dict`."""
        return cls(record["size"], record["spacing_mm"], record["origin_lps"], record["direction_lps"])

    def to_dict(self) -> dict[str, list[float] | list[int]]:
        """Return plain lists for JSON; `from_dict` restores an equal grid."""
        return {
            "size": list(self.size),
            "spacing_mm": list(self.spacing_mm),
            "origin_lps": list(self.origin_lps),
            "direction_lps": list(self.direction_lps),
        }

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numpy shape `(k, j, i)` of an image on this grid."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def ijk_to_lps(self) -> Matrix:
        """The 4 x 4 matrix from voxel indices to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(self.direction_lps, (3, 3)) * np.array(self.spacing_mm)
        matrix[:3, 3] = self.origin_lps
        return matrix

    @property
    def ijk_to_ras(self) -> Matrix:
        """The 4 x 4 matrix from voxel indices to RAS millimetres, as `vtkMRMLVolumeNode.GetIJKToRASMatrix`."""
        matrix: Matrix = LPS_RAS_FLIP @ self.ijk_to_lps
        return matrix

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel in millilitres."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    @property
    def is_left_handed(self) -> bool:
        """Whether the axes form a left-handed frame in patient space (allowed in files, refused by some readers)."""
        return bool(np.linalg.det(np.reshape(self.direction_lps, (3, 3))) < 0)

    def ras_from_ijk(self, ijk: ArrayLike) -> Matrix:
        """Map voxel indices `(..., 3)` in (i, j, k) order to RAS millimetres."""
        matrix = self.ijk_to_ras
        ras: Matrix = np.asarray(ijk, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
        return ras

    def ijk_from_ras(self, ras_mm: ArrayLike) -> Matrix:
        """Map RAS millimetres `(..., 3)` to continuous voxel indices in (i, j, k) order."""
        matrix = np.linalg.inv(self.ijk_to_ras)
        ijk: Matrix = np.asarray(ras_mm, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
        return ijk

    def is_close(self, other: Grid, tolerance_mm: float = 1e-3) -> bool:
        """Whether every voxel of both grids lies at the same place within `tolerance_mm`.

        The corners are compared, not the matrices: a tiny rotation matters little in a small image and much in a
        large one, and the farthest corner shows exactly how much.
        """
        if self.size != other.size:
            return False
        return bool(np.abs(self._corners_ras() - other._corners_ras()).max() <= tolerance_mm)

    def overlap_fraction(self, other: Grid, samples: int = 12) -> float:
        """Return the share of this grid's volume that lies inside `other` (0 to 1), from a lattice of sample points."""
        axes = [(np.arange(samples) + 0.5) / samples * n - 0.5 for n in self.size]
        ijk = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        inside = other.ijk_from_ras(self.ras_from_ijk(ijk))
        return float(np.all((inside >= -0.5) & (inside <= np.array(other.size) - 0.5), axis=1).mean())

    def cropped(self, lower: Sequence[int], size: Sequence[int]) -> Grid:
        """Return the sub-grid that starts at voxel `lower` (may be negative: padding) and has `size` voxels."""
        origin = self.ijk_to_lps @ np.array([*lower, 1.0])
        return Grid(tuple(size), self.spacing_mm, tuple(origin[:3]), self.direction_lps)  # type: ignore[arg-type]

    def with_spacing(self, spacing_mm: Sequence[float]) -> Grid:
        """Return a grid of other spacing that covers the same box with the same axes and the same centre."""
        extent = np.array(self.size) * self.spacing_mm
        size = np.maximum(1, np.ceil(extent / np.asarray(spacing_mm) - 1e-6)).astype(int)
        centre = self.ijk_to_lps @ np.array([*((np.array(self.size) - 1) / 2), 1.0])
        axes = np.reshape(self.direction_lps, (3, 3)) * np.asarray(spacing_mm)
        origin = centre[:3] - axes @ ((size - 1) / 2)
        return Grid(tuple(size), tuple(spacing_mm), tuple(origin), self.direction_lps)  # type: ignore[arg-type]

    def closest_to_lps(self) -> Grid:
        """Return the same voxels with axes reordered and reversed so that i, j, k run to L, P, S as nearly as they can.

        Networks see patients in one orientation whatever the order in which a scanner stored the voxels.
        """
        direction = np.reshape(self.direction_lps, (3, 3))
        patient_axes = (0, 1, 2)
        axes = max(permutations(patient_axes), key=lambda order: np.abs(direction[patient_axes, order]).sum())
        signs = np.where(direction[patient_axes, axes] < 0, -1.0, 1.0)
        first = np.zeros(3)
        first[list(axes)] = np.where(signs < 0, np.array(self.size)[list(axes)] - 1, 0)
        origin = self.ijk_to_lps @ np.array([*first, 1.0])
        turned = direction[:, axes] * signs
        size, spacing = (tuple(values[axis] for axis in axes) for values in (self.size, self.spacing_mm))
        return Grid(size, spacing, tuple(origin[:3]), tuple(turned.ravel()))  # type: ignore[arg-type]

    def sha256(self) -> str:
        """Return a hash of the geometry, rounded to 1e-6 mm, to recognise a grid in reports."""
        record = {k: np.round(v, 6).tolist() for k, v in self.to_dict().items()}
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    def _corners_ras(self) -> Matrix:
        ends = [(0, n - 1) for n in self.size]
        return self.ras_from_ijk(np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3))
