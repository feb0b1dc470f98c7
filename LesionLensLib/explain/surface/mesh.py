"""The connected parts of a mesh of triangles, and meshes without some of their points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from LesionLensLib.display.polydata import make_surface, points_of, triangles_of


def parts_of(surface: Any) -> NDArray[np.int32]:
    """Return the number (N,), from 0, of the connected part that each point belongs to."""
    triangles = triangles_of(surface)
    count = surface.GetNumberOfPoints()
    links = np.concatenate([triangles[:, :2], triangles[:, 1:]])
    graph = coo_array((np.ones(len(links), dtype=np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    parts: NDArray[np.int32] = connected_components(graph.tocsr(), directed=False)[1]
    return parts


def largest_part(surface: Any) -> Any:
    """Return the part with the most points, without point arrays."""
    parts = parts_of(surface)
    return without_points(surface, parts != np.argmax(np.bincount(parts))) if len(parts) else surface


def without_points(surface: Any, dropped: NDArray[np.bool_]) -> Any:
    """Return the surface without the points (N,) marked and without triangles that touch one, without point arrays."""
    triangles = triangles_of(surface)
    triangles = triangles[~dropped[triangles].any(1)]
    used, renumbered = np.unique(triangles, return_inverse=True)
    return make_surface(points_of(surface)[used], renumbered.reshape(-1, 3))
