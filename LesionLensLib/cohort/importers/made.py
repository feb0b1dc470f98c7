"""Masks and images that a layout does not hold as a manifest needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionLensLib.cohort.importers.found import Unusable
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.volume import Volume


@dataclass(frozen=True)
class LabelMask:
    """The voxels of a label image whose label is among `values` (none given: any but 0), as 0 and 1.

    `known` are all the labels that the data set defines: another one means that the file is not what it seems to be.
    """

    path: Path
    values: frozenset[int] | None = None
    known: frozenset[int] | None = None

    def make(self) -> Path | Volume:
        """Return the file itself where it holds nothing but this mask, else the mask on the file's own grid."""
        volume = read_volume(self.path)
        present = np.unique(volume.array)
        if not np.array_equal(present, np.round(present)) or present.min() < 0:
            raise Unusable(f"the values of {self.path.name} are no labels")
        labels = {int(value) for value in present if value != 0}
        if self.known is not None and labels - self.known:
            strange, known = _listed(labels - self.known), _listed(self.known)
            raise Unusable(f"{self.path.name} holds the label {strange}, the data set defines {known}")
        wanted = labels if self.values is None else self.values
        if labels <= {1} and labels <= wanted:
            return self.path
        return Volume(np.isin(np.round(volume.array), sorted(wanted)).astype(np.uint8), volume.grid)


@dataclass(frozen=True)
class Computed:
    """A volume that `maker` makes when its turn comes, so that a cohort is never in memory as a whole."""

    maker: Callable[[], Volume]

    def make(self) -> Path | Volume:
        """Return the volume."""
        return self.maker()


def _listed(values: set[int] | frozenset[int]) -> str:
    return ", ".join(str(value) for value in sorted(values))
