"""Lesions as multiple sclerosis makes them: ovoids at the ventricles, under the cortex and deep in the white matter.

Shares and shapes follow the MAGNIMS description of typical lesions (Filippi et al., Brain 142, 2019): most lie at the
ventricles with their long axis away from them (Dawson's fingers), some touch the cortex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.phantom.anatomy import Anatomy, Tissue
from LesionLensLib.phantom.shapes import Field, smooth_noise

_MOST_TRIES = 60


@dataclass(frozen=True)
class _Kind:
    share: float
    median_ml: float
    elongation: float


_KINDS = {
    "periventricular": _Kind(0.5, 0.55, 1.9),
    "juxtacortical": _Kind(0.25, 0.22, 1.3),
    "deep": _Kind(0.25, 0.28, 1.5),
}


def plant_lesions(anatomy: Anatomy, count: int, rng: np.random.Generator) -> Field:
    """Return the share of lesion in every voxel (0 outside, 0.8 to 1.1 at the core by each lesion's own brightness)."""
    lesion = np.zeros(anatomy.grid.shape, dtype=np.float32)
    roughness = smooth_noise(anatomy.grid.shape, 3.0 / anatomy.grid.spacing_mm[0], rng)
    white = anatomy.tissue == Tissue.WHITE
    seats = {name: np.argwhere(white & zone) for name, zone in _zones(anatomy).items()}
    names = rng.choice(list(_KINDS), size=count, p=[kind.share for kind in _KINDS.values()])
    taken: list[tuple[NDArray[np.float64], float]] = []
    gradient = _away_from_ventricle(anatomy)
    for name in names:
        kind = _KINDS[str(name)]
        volume_ml = float(np.clip(kind.median_ml * np.exp(0.75 * rng.standard_normal()), 0.03, 3.0))
        radius_mm = (volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3)
        seat = _free_seat(seats[str(name)], radius_mm, taken, anatomy.grid.spacing_mm[0], rng)
        if seat is not None:
            axis = gradient(seat) if name == "periventricular" else rng.standard_normal(3)
            _add_ovoid(
                lesion, roughness, seat, radius_mm, axis, kind.elongation, anatomy, float(rng.uniform(0.82, 1.1))
            )
    soft = ndimage.gaussian_filter(lesion, 0.6 / anatomy.grid.spacing_mm[0])
    return np.asarray(np.where(white | (anatomy.tissue == Tissue.GREY), soft, 0), dtype=np.float32)


def _zones(anatomy: Anatomy) -> dict[str, NDArray[np.bool_]]:
    to_ventricle, to_cortex = anatomy.to_ventricle_mm, anatomy.to_cortex_mm
    grid = anatomy.grid
    height = grid.ras_from_ijk(np.stack([np.zeros(grid.size[2])] * 2 + [np.arange(grid.size[2])], axis=-1))[:, 2]
    above = (height > -12)[:, None, None]
    return {
        "periventricular": (to_ventricle > 1.5) & (to_ventricle < 6.0) & (height > 2)[:, None, None],
        "juxtacortical": (to_cortex > 4.0) & (to_cortex < 6.5) & (to_ventricle > 10) & above,
        "deep": (to_cortex > 8.0) & (to_ventricle > 9.0) & (to_ventricle < 40.0) & above,
    }


def _away_from_ventricle(anatomy: Anatomy) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    distance = anatomy.to_ventricle_mm

    def direction(seat: NDArray[np.int64]) -> NDArray[np.float64]:
        k, j, i = seat
        box = distance[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2]
        slope = np.array([box[2, 1, 1] - box[0, 1, 1], box[1, 2, 1] - box[1, 0, 1], box[1, 1, 2] - box[1, 1, 0]])
        return slope.astype(np.float64)

    return direction


def _free_seat(
    seats: NDArray[np.int64],
    radius_mm: float,
    taken: list[tuple[NDArray[np.float64], float]],
    spacing_mm: float,
    rng: np.random.Generator,
) -> NDArray[np.int64] | None:
    """Draw a place that keeps clear of the lesions so far; None where there is none."""
    for _ in range(_MOST_TRIES if len(seats) else 0):
        seat = seats[rng.integers(len(seats))]
        place = seat * spacing_mm
        if all(np.linalg.norm(place - other) > 1.7 * (radius_mm + reach) + 2 for other, reach in taken):
            taken.append((place, radius_mm))
            return np.asarray(seat)
    return None


def _add_ovoid(
    lesion: Field,
    roughness: Field,
    seat: NDArray[np.int64],
    radius_mm: float,
    axis: NDArray[np.float64],
    elongation: float,
    anatomy: Anatomy,
    strength: float,
) -> None:
    """Add an ovoid stretched along `axis` (k, j, i), its outline roughened, its edge one voxel soft."""
    spacing_mm = anatomy.grid.spacing_mm[0]
    reach = int(np.ceil(2.2 * radius_mm / spacing_mm)) + 2
    low = np.maximum(seat - reach, 0)
    high = np.minimum(seat + reach + 1, lesion.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    offset = (
        np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), -1) - seat
    ) * spacing_mm
    unit = axis / max(float(np.linalg.norm(axis)), 1e-9)
    along = offset @ unit
    across = np.sqrt(np.maximum((offset**2).sum(-1) - along**2, 0))
    thin = radius_mm * elongation ** (-1 / 3)
    distance = np.hypot(along / elongation, across) - thin * (1 + 0.18 * roughness[box])
    share = np.clip(0.5 - distance / (1.2 * spacing_mm), 0, 1) * strength
    lesion[box] = np.maximum(lesion[box], share)
