"""How much of a map lies in which region: volume, mean, share and peak of every region, as a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.labelmap import Labelmap
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume

ELSEWHERE = "elsewhere"
COLUMNS = (
    *("label", "name", "volume_ml", "mean", "share", "mean_absolute", "energy_share"),
    *("peak", "peak_r", "peak_a", "peak_s", "covered"),
)
Values = NDArray[np.float64]


@dataclass(frozen=True)
class RegionImpact:
    """What a map says in one region.

    `mean` and `mean_absolute` are taken over the part of the region that the map covers, the share `covered` of its
    `volume_ml`. `share` is the region's part of the map's total absolute value, `energy_share` of its square. `peak` is
    the value farthest from 0, at `peak_ras` (mm).
    """

    label: int
    name: str
    volume_ml: float
    mean: float
    share: float
    mean_absolute: float
    energy_share: float
    peak: float
    peak_ras: tuple[float, float, float]
    covered: float


def region_table(impact: Volume, labelmap: Labelmap) -> tuple[RegionImpact, ...]:
    """Return a row for every region of `labelmap` that `impact` reaches, and one for what lies in none (label 0).

    The shares of regions that do not overlap add up to 1 with that last row; without it where all lies in regions.
    Both images are brought onto the grid with the smaller voxels: a coarse map is sampled (linear) at the voxels of the
    labelmap, whose regions keep their shape; a coarse labelmap (nearest) at those of the map. Volumes come from the
    labelmap as it is. Raises `ValueError` for a map that is not finite and `UserError` where no region meets the map.
    """
    if not np.isfinite(impact.array).all():
        raise ValueError("a map must be finite everywhere")
    values, layers, grid = _on_one_grid(impact, labelmap)
    measured = np.isfinite(values).ravel()
    table = _Table(values.ravel(), grid, *(float(np.sum(np.abs(values[np.isfinite(values)]) ** n)) for n in (1, 2)))
    members = [_voxels_by_value(layer) for layer in layers]
    volumes_ml = [_volumes_ml(layer) for layer in labelmap.layers]
    free = measured.copy()
    rows = []
    for region in labelmap.regions:
        voxels = members[region.layer].get(region.value, np.empty(0, dtype=np.intp))
        free[voxels] = False
        voxels = voxels[measured[voxels]]
        if voxels.size:
            rows.append(table.row(region.value, region.name, voxels, volumes_ml[region.layer][region.value]))
    if not rows:
        raise UserError("None of the regions lies where the map was made.", "Give regions of the same examination.")
    rest = np.flatnonzero(free)
    if rest.size:
        rows.append(table.row(0, ELSEWHERE, rest, rest.size * grid.voxel_ml))
    return tuple(rows)


def write_regions_csv(path: Path, rows: Sequence[RegionImpact]) -> None:
    """Write one row a region with the columns of the public contract and more: ml, the map's unit, shares, RAS mm."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            numbers = (row.mean, row.share, row.mean_absolute, row.energy_share, row.peak)
            place = (f"{mm:.3f}" for mm in row.peak_ras)
            figures = (f"{number:.6g}" for number in numbers)
            writer.writerow([row.label, row.name, f"{row.volume_ml:.6f}", *figures, *place, f"{row.covered:.4f}"])


@dataclass(frozen=True, eq=False)
class _Table:
    """The values of a map in the order of memory, its grid, and the sums over all of it, from which rows are made."""

    values: Values
    grid: Grid
    total: float
    energy: float

    def row(self, label: int, name: str, voxels: NDArray[np.intp], volume_ml: float) -> RegionImpact:
        inside = self.values[voxels]
        highest = int(np.argmax(np.abs(inside)))
        ijk = np.unravel_index(voxels[highest], self.grid.shape)[::-1]
        r, a, s = (float(mm) for mm in self.grid.ras_from_ijk(np.array(ijk)))
        absolute = float(np.abs(inside).sum())
        return RegionImpact(
            label=label,
            name=name,
            volume_ml=volume_ml,
            mean=float(inside.mean()),
            share=absolute / self.total if self.total else 0.0,
            mean_absolute=absolute / len(inside),
            energy_share=float(np.sum(inside**2)) / self.energy if self.energy else 0.0,
            peak=float(inside[highest]),
            peak_ras=(r, a, s),
            covered=min(1.0, len(inside) * self.grid.voxel_ml / volume_ml),
        )


def _voxels_by_value(layer: NDArray[np.generic]) -> dict[int, NDArray[np.intp]]:
    """Return for every value but 0 where it stands, in one pass: an atlas has hundreds of regions."""
    voxels = np.flatnonzero(layer)
    owners = layer.ravel()[voxels]
    order = np.argsort(owners, kind="stable")
    values, starts = np.unique(owners[order], return_index=True)
    return dict(zip(values.tolist(), np.split(voxels[order], starts[1:]), strict=False))


def _volumes_ml(layer: Volume) -> dict[int, float]:
    values, counts = np.unique(layer.array[layer.array != 0], return_counts=True)
    return dict(zip(values.tolist(), (counts * layer.grid.voxel_ml).tolist(), strict=True))


def _on_one_grid(impact: Volume, labelmap: Labelmap) -> tuple[Values, list[NDArray[np.generic]], Grid]:
    """Return map (not a number outside of it) and layers (k, j, i) on one grid that covers all of the map."""
    finer = labelmap.layers[0].grid
    grid = impact.grid if impact.grid.voxel_ml < finer.voxel_ml * (1 - 1e-6) else _covering(finer, impact.grid)
    values = resample(impact, grid, fill=np.nan).array.astype(np.float64)
    return values, [resample(layer, grid, "nearest").array for layer in labelmap.layers], grid


def _covering(lattice: Grid, box: Grid) -> Grid:
    """Return the part of `lattice`, continued without end, that covers all of `box`."""
    corners = np.array(list(product(*((-0.5, n - 0.5) for n in box.size))))
    ijk = lattice.ijk_from_ras(box.ras_from_ijk(corners))
    lower = np.ceil(ijk.min(0) - 0.5 + 1e-6).astype(int)
    upper = np.floor(ijk.max(0) + 0.5 - 1e-6).astype(int)
    return lattice.cropped(lower.tolist(), (upper - lower + 1).tolist())
