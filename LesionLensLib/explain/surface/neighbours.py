"""Step 5: new points take the mean colour and impact of the original points nearest to them."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from LesionLensLib.explain.surface.point_cloud import PointCloud, Points

NEAREST = 10


def coloured_by_nearest(points_ras: Points, original: PointCloud, nearest: int = NEAREST) -> PointCloud:
    """Return `points_ras` (N, 3) with the mean colour and mean impact of the `nearest` original points of each.

    Fewer where the original cloud holds fewer. Raises `ValueError` for an empty original cloud.
    """
    if not len(original.points_ras):
        raise ValueError("an empty point cloud has no colours to give")
    count = min(nearest, len(original.points_ras))
    _, found = cKDTree(original.points_ras).query(points_ras, k=[*range(1, count + 1)], workers=-1)
    impact = original.impact[found].mean(1, dtype=np.float64).astype(np.float32)
    return PointCloud(points_ras, impact, np.rint(original.rgb[found].mean(1)).astype(np.uint8))
