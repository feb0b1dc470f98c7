"""A soft-tissue sarcoma: lobes around one body, a rough outline, uneven uptake and a dead core.

Sizes and uptake follow the 34 training cases of the public Soft-tissue-Sarcoma collection (Vallieres et al., 2015):
SUV at the 95th percentile 3.4 to 8.6 in half of them, volume 110 to 570 ml.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionLensLib.geometry import Grid
from LesionLensLib.phantom.shapes import Field, Points, Triple, ellipsoid, enlarged_to, smooth_noise, union

_LOBES = 5


@dataclass(frozen=True)
class Tumour:
    """Distances (mm, negative inside) to the outline and to the dead core, and the SUV of living tumour; `(k, j, i)`.

    `coarse_mm` is the outline before it was roughened, on the coarse grid; `center_ras` that of the main body.
    """

    center_ras: Triple
    to_surface_mm: Field
    to_necrosis_mm: Field
    suv: Field
    coarse_mm: Field


def plant_tumour(center_ras: Triple, points: Points, coarse: Grid, grid: Grid, rng: np.random.Generator) -> Tumour:
    """Grow a tumour of 5 to 12 cm at `center_ras` (mm), longest along the limb; `points` are those of `coarse`."""
    length_mm = float(rng.uniform(75.0, 105.0))
    width_mm, depth_mm = (float(length_mm * rng.uniform(0.5, 0.68)) for _ in range(2))
    radii = (width_mm / 2, depth_mm / 2, length_mm / 2)
    body = _lobed(points, center_ras, radii, rng)
    core_at = tuple(c + 0.15 * r * rng.uniform(-1, 1) for c, r in zip(center_ras, radii, strict=True))
    core = ellipsoid(points, (core_at[0], core_at[1], core_at[2]), (0.5 * radii[0], 0.5 * radii[1], 0.5 * radii[2]))
    step, spacing_mm = coarse.spacing_mm[0] / grid.spacing_mm[0], grid.spacing_mm[0]
    rough = 2.0 * smooth_noise(grid.shape, 6.0 / spacing_mm, rng)
    ragged = 4.5 * smooth_noise(grid.shape, 7.0 / spacing_mm, rng)
    uneven = 1 + 0.22 * smooth_noise(grid.shape, 9.0 / spacing_mm, rng)
    hot_suv = float(rng.uniform(5.5, 9.5))
    return Tumour(
        center_ras,
        enlarged_to(body, step, grid.shape) + rough,
        enlarged_to(core, step, grid.shape) + ragged,
        np.asarray(hot_suv * np.clip(uneven, 0.4, 1.4), dtype=np.float32),
        body,
    )


def _lobed(points: Points, center: Triple, radii: Triple, rng: np.random.Generator) -> Field:
    """Return the distance to an ellipsoid with smaller ones budding from it."""
    body = ellipsoid(points, center, radii)
    for _ in range(_LOBES):
        way = rng.standard_normal(3)
        way /= np.linalg.norm(way)
        size = float(rng.uniform(0.38, 0.55))
        place = [c + 0.55 * r * w for c, r, w in zip(center, radii, way, strict=True)]
        lobe = ellipsoid(points, (place[0], place[1], place[2]), (size * radii[0], size * radii[1], size * radii[2]))
        body = union(body, lobe, blend_mm=6.0)
    return body
