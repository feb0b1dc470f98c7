"""The part of a grid that a surface needs."""

from __future__ import annotations

import numpy as np

from LesionLensLib.explain.distance import box_around
from LesionLensLib.images.volume import Volume


def cut_out(mask: Volume, margin_mm: float) -> Volume | None:
    """Return `mask` (bool) with a margin of at least `margin_mm` and two voxels around all that is not 0.

    Where the image ends sooner, room outside of it is added, so that a surface closes there. None for an empty mask.
    """
    inside = mask.array != 0
    tight = box_around(inside, mask.grid, 0.0)
    if tight is None:
        return None
    margin = [int(np.ceil(margin_mm / step)) + 2 for step in mask.grid.spacing_mm[::-1]]
    padded = np.pad(inside[tight], [(m, m) for m in margin])
    lower = [axis.start - m for axis, m in zip(tight, margin, strict=True)]
    return Volume(padded, mask.grid.cropped(lower[::-1], padded.shape[::-1]))
