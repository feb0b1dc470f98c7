"""Step 7: the closed surface whose normals are those of a cloud of points, by Poisson's equation on a regular grid.

Kazhdan et al. (SGP 2006) find a function that jumps at the surface: its gradient is the field of normals, so its
Laplacian is the field's divergence. Here it is solved by the fast Fourier transform on one regular grid, without an
octree: closed surfaces of lesions and brains fit it, thin or open sheets close up.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial import cKDTree

from LesionLensLib.display.polydata import contour, points_of
from LesionLensLib.explain.surface.mesh import largest_part, without_points
from LesionLensLib.explain.surface.point_cloud import Points

PADDING = 0.15
SMOOTHING_VOXELS = 1.0
SIDE, LARGE_SIDE, LARGE_MM = 96, 160, 100.0
Field = NDArray[np.float32]


@dataclass(frozen=True)
class _Lattice:
    """A cubic lattice around points: lowest corner (x, y, z), edge of a voxel, and its shape."""

    origin: Points
    step: float
    shape: tuple[int, int, int]

    def places(self, points: Points) -> Points:
        """Return points (N, 3) as continuous indices into an array of `shape`."""
        placed: Points = (points - self.origin) / self.step
        return placed


def poisson_surface(
    points: Points, normals: Points, side: int | None = None, largest_only: bool = False, is_closed: bool = True
) -> Any:
    """Return vtkPolyData around points (N, 3) whose outward unit normals (N, 3) are given, in their own space.

    `side` is the number of voxels along the longest edge of the grid: without it 96, or 160 for clouds beyond 100 mm.
    `largest_only` drops all but the largest part. Where the cloud is not closed, triangles farther than two spacings of
    points from all of them are dropped. Raises `ValueError` for fewer than four points, points without extent and a
    side below 16.
    """
    extent = np.ptp(points, axis=0) if len(points) else np.zeros(3)
    side = side or (LARGE_SIDE if extent.max() > LARGE_MM else SIDE)
    if len(points) < 4 or extent.max() <= 0 or side < 16:
        raise ValueError(f"no surface can be made of {len(points)} points over {extent} on {side} voxels")
    lattice = _lattice(points, side)
    height = _indicator(lattice, points, normals)
    level = float(ndimage.map_coordinates(height, lattice.places(points).T, order=1).mean())
    # Lower inside: the sign turned, it is higher inside, as the contour wants it; axes (x, y, z) become (k, j, i).
    surface = contour(-height.transpose(2, 1, 0), -level, (lattice.step,) * 3, lattice.origin)
    if not is_closed:
        reach = 2 * max(point_spacing(points), lattice.step)
        surface = without_points(surface, cKDTree(points).query(points_of(surface))[0] > reach)
    return largest_part(surface) if largest_only else surface


def point_spacing(points: Points) -> float:
    """Return the mean distance of a point (N, 3) to its neighbours on the surface, were they spread evenly."""
    # Points thrown at random with density d have their nearest neighbour at 0.5 / sqrt(d), on a lattice at 1 / sqrt(d).
    return 2 * float(cKDTree(points).query(points, k=2, workers=-1)[0][:, 1].mean())


def _lattice(points: Points, side: int) -> _Lattice:
    """Return a lattice with the cloud in its middle and `PADDING` of its longest side free at each end."""
    low, high = points.min(0), points.max(0)
    room = int(np.ceil(PADDING * side))
    step = float((high - low).max()) / (side - 2 * room)
    x, y, z = (fft.next_fast_len(int(np.ceil(e / step)) + 2 * room, real=True) for e in high - low)
    origin = (low + high) / 2 - step * (np.array([x, y, z]) - 1) / 2
    return _Lattice(origin, step, (x, y, z))


def _indicator(lattice: _Lattice, points: Points, normals: Points) -> Field:
    """Return the function (x, y, z) whose gradient is nearest to the smoothed field of normals."""
    waves = [2 * np.pi * fft.fftfreq(n) for n in lattice.shape[:2]] + [2 * np.pi * fft.rfftfreq(lattice.shape[2])]
    axes = [w.astype(np.float32).reshape([-1 if a == n else 1 for n in range(3)]) for a, w in enumerate(waves)]
    squared = sum(axis**2 for axis in axes)
    smoothing = np.exp(squared * np.float32(-(SMOOTHING_VOXELS**2) / 2))
    places = lattice.places(points)
    density = _splat(places, np.ones(len(points)), lattice.shape)
    density = fft.irfftn(fft.rfftn(density, workers=-1) * smoothing, lattice.shape, workers=-1)
    # Each point stands for the area around it: where points lie densely, each counts less.
    crowd = ndimage.map_coordinates(density, places.T, order=1)
    divergence = sum(
        1j * axis * fft.rfftn(_splat(places, component / crowd, lattice.shape), workers=-1)
        for axis, component in zip(axes, normals.T, strict=True)
    )
    squared[0, 0, 0] = 1  # the mean of the function is free
    height: Field = fft.irfftn(-divergence * smoothing / squared, lattice.shape, workers=-1)
    return height


def _splat(places: Points, values: NDArray[np.float64], shape: tuple[int, int, int]) -> Field:
    """Return an array into which each value (N,) is shared among the eight voxels around its place (N, 3)."""
    corner = np.floor(places).astype(np.intp)
    share = places - corner
    total = np.zeros(int(np.prod(shape)))
    for offset in product((0, 1), repeat=3):
        weight = np.prod(np.where(offset, share, 1 - share), axis=1)
        flat = np.ravel_multi_index(tuple((corner + offset).T), shape)
        total += np.bincount(flat, weight * values, len(total))
    return total.astype(np.float32).reshape(shape)
