"""Shells around a lesion: core, rim, and what lies within 5, 10 and 20 mm of it.

That the surroundings of a lesion weigh in its prognosis is a finding of Jalalifar et al. (JTEHM 2022); the widths of
the shells are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from LesionLensLib.errors import UserError
from LesionLensLib.explain.distance import ROUNDING_MM, signed_distance_mm
from LesionLensLib.images.labelmap import Labelmap, Region
from LesionLensLib.images.volume import Volume

RIM_MM = 3.0
OUTER_EDGES_MM = (5.0, 10.0, 20.0)


def lesion_shells(
    lesion: Volume,
    brain: Volume | None = None,
    rim_mm: float = RIM_MM,
    outer_edges_mm: Sequence[float] = OUTER_EDGES_MM,
) -> Labelmap:
    """Return the shells of `lesion` (not 0 is lesion) as a labelmap on its grid.

    1 is the core; 2 the rim, voxels of the lesion within `rim_mm` of its edge; from 3 on one shell outside for every
    edge, which belongs to the shell it ends. Only voxels of `brain` (same grid) are in the outer shells; the lesion
    itself is never cut. Several lesions share their shells, measured from the nearest one. Raises `UserError` for an
    empty lesion and `ValueError` for edges that do not ascend from above 0 or a brain on another grid.
    """
    edges = [0.0, *outer_edges_mm]
    if rim_mm <= 0 or any(near >= far for near, far in pairwise(edges)):
        raise ValueError(f"a rim above 0 and ascending edges in mm are needed, not {rim_mm} and {outer_edges_mm}")
    if brain is not None and not brain.grid.is_close(lesion.grid):
        raise ValueError("the brain mask must lie on the grid of the lesion")
    inside = lesion.array != 0
    if not inside.any():
        raise UserError("The lesion mask is empty, so there are no shells around it.", "Give a mask of the lesion.")
    distance = signed_distance_mm(inside, lesion.grid, edges[-1], rim_mm)
    labels = inside.astype(np.uint8)
    labels[inside & (distance >= -rim_mm - ROUNDING_MM)] = 2
    allowed = ~inside if brain is None else ~inside & (brain.array != 0)
    for value, (near, far) in enumerate(pairwise(edges), start=3):
        shell = (distance > near + ROUNDING_MM) & (distance <= far + ROUNDING_MM)
        labels[shell & allowed] = value
    return Labelmap((Volume(labels, lesion.grid),), _names(rim_mm, edges))


def _names(rim_mm: float, edges_mm: Sequence[float]) -> tuple[Region, ...]:
    inner = (Region(1, f"core, deeper than {rim_mm:g} mm"), Region(2, f"rim, outer {rim_mm:g} mm"))
    return inner + tuple(
        Region(value, f"{near:g} to {far:g} mm outside") for value, (near, far) in enumerate(pairwise(edges_mm), 3)
    )
