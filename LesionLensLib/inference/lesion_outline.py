"""Outlines that networks made on their fields of view, brought back onto the native grid of the reference image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.segmentation_file import Segment
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.field_of_view import part_around
from LesionLensLib.inference.outcome_pass import TUMOUR_THRESHOLD
from LesionLensLib.model_card import Label


class OutlineMap:
    """The outlines of the lesions 1, 2, ... on `grid`; a voxel in several belongs to the one that is surest of it."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.labels: NDArray[np.uint8] = np.zeros(grid.shape, dtype=np.uint8)
        self._surest: NDArray[np.float32] = np.zeros(grid.shape, dtype=np.float32)

    def add(self, number: int, probability: Volume) -> float:
        """Add the outline of one lesion from its probability on a field of view; return its own volume in ml."""
        part = part_around(self.grid, probability.grid)
        first, count = [axis.start for axis in part[::-1]], [axis.stop - axis.start for axis in part[::-1]]
        here = resample(probability, self.grid.cropped(first, count)).array
        inside = here >= TUMOUR_THRESHOLD
        mine = inside & (here > self._surest[part])
        self.labels[part][mine] = number
        self._surest[part][mine] = here[mine]
        return float(inside.sum()) * self.grid.voxel_ml


def segments_of(label: Label, count: int, note: str = "") -> list[Segment]:
    """Return the segments of `count` outlines: the card's label itself for one, else numbered; `note` ends names."""
    after = f" ({note})" if note else ""
    if count == 1:
        return [Segment(label.id, f"{label.name}{after}", 1, label.color, label.terminology)]
    return [
        Segment(f"{label.id}-{n}", f"{label.name} {n}{after}", n, label.color, label.terminology)
        for n in range(1, count + 1)
    ]
