"""The point of a segmentation that a view should show first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid


def largest_part_ras(mask: NDArray[Any], grid: Grid) -> tuple[float, float, float] | None:
    """Return the RAS point (mm) that lies deepest inside the largest connected part of `mask` `(k, j, i)`, or None.

    The deepest point and not the centroid: the centroid of a curved lesion may lie outside it, and a slice there
    would miss what it should show.
    """
    from scipy import ndimage  # not at the top: a panel that opens reads segments too, and must not wait for scipy

    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if not count:
        return None
    sizes = np.bincount(labels.ravel())
    number = int(np.argmax(sizes[1:])) + 1
    box = ndimage.find_objects(labels)[number - 1]
    inside = np.pad(labels[box] == number, 1)
    depth = ndimage.distance_transform_edt(inside, sampling=grid.spacing_mm[::-1])
    k, j, i = np.array(np.unravel_index(np.argmax(depth), depth.shape)) - 1 + [axis.start for axis in box]
    right, anterior, superior = grid.ras_from_ijk((i, j, k))
    return float(right), float(anterior), float(superior)
