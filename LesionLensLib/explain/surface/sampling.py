"""Step 4: random points on a surface, as many on every square millimetre of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from LesionLensLib.display.polydata import Points, points_of, triangles_of

DEFAULT_POINTS = 20_000


def sample_surface(surface: Any, count: int = DEFAULT_POINTS, seed: int = 0) -> Points:
    """Return `count` points (count, 3) drawn uniformly over the area of vtkPolyData, in its own space.

    The same seed gives the same points. Raises `ValueError` for a surface without area.
    """
    corners = points_of(surface)[triangles_of(surface)]
    first, edges = corners[:, 0], corners[:, 1:] - corners[:, :1]
    areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / 2
    if areas.sum() <= 0:
        raise ValueError("a surface without area has no points to draw")
    random = np.random.default_rng(seed)
    drawn = random.choice(len(areas), size=count, p=areas / areas.sum())
    u, v = random.random((2, count))
    folded = u + v > 1  # the other half of the parallelogram, turned back into the triangle
    u[folded], v[folded] = 1 - u[folded], 1 - v[folded]
    points: Points = first[drawn] + u[:, None] * edges[drawn, 0] + v[:, None] * edges[drawn, 1]
    return points
