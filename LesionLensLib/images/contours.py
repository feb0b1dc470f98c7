"""Turn closed planar contours into a mask on any grid.

Every contour stands for a slab of the space between contour planes. A voxel belongs to the mask where its centre lies
in a slab and inside the contours of its plane by the even-odd rule, so that a contour inside another one is a hole
(as a keyhole, too, is one) whatever the order and sense of rotation. Contours that partly overlap cancel where they do,
one that stands in the file twice counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid, flip_lps_ras

Points = NDArray[np.float64]
# Contours are written with one to six decimals; planes closer than this are one plane, points farther off are not flat.
_SAME_PLANE_MM = 0.1
_FLAT_MM = 0.25
_PARALLEL = 1.0 - 1e-5
# Beyond this, digits are noise; without them a voxel centre on an edge is judged alike along the whole edge.
_DECIMALS = 5


@dataclass(frozen=True)
class _Plane:
    """The contours at one place along the normal: `(n, 2)` in-plane points in mm, and the slab they stand for."""

    polygons: tuple[Points, ...]
    lower_mm: float
    upper_mm: float


def rasterize_contours(contours_lps: Sequence[Points], grid: Grid) -> NDArray[np.uint8]:
    """Return the mask `(k, j, i)` of contours `(n, 3)` in LPS mm on a grid of any orientation, handedness and spacing.

    A slab reaches half the usual distance of the contour planes to either side (half a slice of the grid for a single
    plane), and never beyond the middle between two planes; a plane that is missing leaves a gap. Contours of fewer than
    three points enclose nothing. Raises `UserError` for contours that are not flat or not parallel.
    """
    mask = np.zeros(grid.shape, dtype=np.uint8)
    once = {contour.tobytes(): contour for contour in contours_lps if len(contour) >= 3}
    polygons = [flip_lps_ras(contour) for contour in once.values()]
    normal = _common_normal(polygons)
    if normal is None:
        return mask
    axes = _plane_axes(normal, grid)
    _check_flat(polygons, axes[2])
    for plane in _planes(polygons, axes, grid):
        _fill(mask, plane, axes, grid)
    return mask


def _common_normal(polygons: Sequence[Points]) -> Points | None:
    """Return the unit normal of all contours, the large ones counting most; None where they enclose nothing."""
    areas = [_area_vector(polygon) for polygon in polygons]
    if not areas:
        return None
    largest = max(areas, key=lambda area: float(area @ area))
    total: Points = np.sum([area if area @ largest > 0 else -area for area in areas], axis=0)
    length = float(np.linalg.norm(total))
    return total / length if length > 0 else None


def _area_vector(polygon: Points) -> Points:
    centred = polygon - polygon.mean(axis=0)
    area: Points = 0.5 * np.cross(centred, np.roll(centred, -1, axis=0)).sum(axis=0)
    return area


def _plane_axes(normal: Points, grid: Grid) -> Points:
    """Return unit vectors in RAS as rows: two in the contour plane, then the normal.

    Where the contours lie in slices of the grid, the axes are exactly the grid's own: rounded coordinates tilt a
    computed normal by a trace, and rows of voxels would then no longer be rows.
    """
    steps = grid.ijk_to_ras[:3, :3]
    directions = (steps / np.linalg.norm(steps, axis=0)).T
    likeness = np.abs(directions @ normal)
    nearest = int(np.argmax(likeness))
    if likeness[nearest] > _PARALLEL:
        own: Points = directions[[(nearest + 1) % 3, (nearest + 2) % 3, nearest]]
        return own
    across = directions[int(np.argmin(likeness))]
    first = across - (across @ normal) * normal
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first), normal])


def _check_flat(polygons: Sequence[Points], normal: Points) -> None:
    for polygon in polygons:
        heights = polygon @ normal
        if float(np.abs(heights - heights.mean()).max()) > _FLAT_MM:
            raise UserError(
                "The contours are not flat, or not parallel to each other.",
                "Draw them in one set of slices, or give the lesion as a mask image.",
            )


def _planes(polygons: Sequence[Points], axes: Points, grid: Grid) -> list[_Plane]:
    heights = np.array([float((polygon @ axes[2]).mean()) for polygon in polygons])
    order = np.argsort(heights, kind="stable")
    starts = np.flatnonzero(np.diff(heights[order], prepend=-np.inf) > _SAME_PLANE_MM)
    groups = np.split(order, starts[1:])
    places = np.array([heights[group].mean() for group in groups])
    reach_mm = 0.5 * _plane_distance_mm(places, axes[2], grid)
    middles = [-np.inf, *((places[1:] + places[:-1]) / 2), np.inf]
    return [
        _Plane(
            tuple(np.round(polygons[index] @ axes[:2].T, _DECIMALS) for index in group),
            round(float(max(place - reach_mm, middles[number])), _DECIMALS),
            round(float(min(place + reach_mm, middles[number + 1])), _DECIMALS),
        )
        for number, (group, place) in enumerate(zip(groups, places, strict=True))
    ]


def _plane_distance_mm(places: Points, normal: Points, grid: Grid) -> float:
    if len(places) > 1:
        return float(np.median(np.diff(places)))
    steps = grid.ijk_to_ras[:3, :3]
    return float(np.abs(normal @ steps).max())


def _fill(mask: NDArray[np.uint8], plane: _Plane, axes: Points, grid: Grid) -> None:
    """Mark the voxels of one slab; only the box of voxels around it is looked at."""
    flat = np.concatenate(plane.polygons)
    rims = [np.column_stack([flat, np.full(len(flat), height)]) for height in (plane.lower_mm, plane.upper_mm)]
    corners = grid.ijk_from_ras(np.concatenate(rims) @ axes)
    lower = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    upper = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, grid.size)
    if np.any(upper <= lower):
        return
    k, j, i = np.meshgrid(*(np.arange(lower[a], upper[a]) for a in (2, 1, 0)), indexing="ij")
    ijk = np.stack([i.ravel(), j.ravel(), k.ravel()], axis=1)
    places = np.round(grid.ras_from_ijk(ijk) @ axes.T, _DECIMALS)
    in_slab = (places[:, 2] >= plane.lower_mm) & (places[:, 2] < plane.upper_mm)
    ijk = ijk[in_slab][_inside(places[in_slab, :2], plane.polygons)]
    mask[ijk[:, 2], ijk[:, 1], ijk[:, 0]] = 1


def _inside(points: Points, polygons: Sequence[Points]) -> NDArray[np.bool_]:
    """Say which points `(n, 2)` lie inside an odd number of polygons; lower edges belong to them, upper ones do not."""
    order = np.argsort(points[:, 1], kind="stable")
    u, v = points[order].T
    odd = np.zeros(len(points), dtype=bool)
    for polygon in polygons:
        ends = np.roll(polygon, -1, axis=0)
        # Sorted by v, the points that an edge can separate are one run.
        first = np.searchsorted(v, np.minimum(polygon[:, 1], ends[:, 1]))
        last = np.searchsorted(v, np.maximum(polygon[:, 1], ends[:, 1]))
        for start, end, low, high in zip(polygon, ends, first, last, strict=True):
            if high > low:
                slope = (end[0] - start[0]) / (end[1] - start[1])
                odd[low:high] ^= u[low:high] < start[0] + (v[low:high] - start[1]) * slope
    inside = np.empty_like(odd)
    inside[order] = odd
    return inside
