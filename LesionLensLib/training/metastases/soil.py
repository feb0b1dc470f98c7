"""Brains into which metastases are planted: T1c, FLAIR and tissues on one grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid
from LesionLensLib.training.brain import CSF, WHITE, BoolArray, FloatArray
from LesionLensLib.training.metastases.displacement import Displacement, bend
from LesionLensLib.training.metastases.lattice import blur_mm
from LesionLensLib.training.metastases.limits import MetastasisRange

ROLES = ("T1c", "FLAIR")
WHITE_REACH_MM = 7.0

Kind = Literal["real", "painted", "phantom"]


@dataclass(frozen=True, eq=False)
class Soil:
    """A brain free of lesions: `channels` (2, D, H, W) in the order of `ROLES`, masks (D, H, W), all on `grid`.

    `tissue` is 0 outside the brain, then `CSF`, `GREY`, `WHITE`. `contrast_agent` says whether the first channel was
    taken after one was given: without, it is a plain T1, whose vessels are dark.
    """

    name: str
    patient: str
    kind: Kind
    contrast_agent: bool
    channels: FloatArray
    grid: Grid
    brain: BoolArray
    tissue: NDArray[np.uint8]

    def moved(self, displacement: Displacement) -> Soil:
        """Return this brain with every channel and the tissues displaced; the brain's outline stays."""
        channels = np.stack([displacement.warp(c, self.grid, "linear") for c in self.channels])
        tissue = displacement.warp(self.tissue, self.grid, "nearest")
        # Where a label is drawn from beyond the outline by rounding, the voxel keeps its own.
        tissue = np.where(self.brain, np.where(tissue > 0, tissue, self.tissue), 0).astype(np.uint8)
        return replace(self, channels=channels, tissue=tissue)

    def mirrored(self) -> Soil:
        """Return the brain with its first axis (left-right in images along patient axes) reversed on the same grid."""
        flipped = {name: getattr(self, name)[..., ::-1].copy() for name in ("channels", "brain", "tissue")}
        return replace(self, **flipped)

    def varied(self, limits: MetastasisRange, rng: np.random.Generator) -> Soil:
        """Return a brain like this one: mirrored or not, and bent by some millimetres."""
        soil = self.mirrored() if rng.random() < limits.mirror_chance else self
        return soil.moved(bend(soil.grid, rng.uniform(*limits.bend_mm), limits.bend_length_mm, soil.brain, rng))


def tissue_units(channels: FloatArray, tissue: NDArray[np.uint8]) -> FloatArray:
    """Return |white matter - pure fluid| of each channel (C,): the unit in which lesions are described.

    Pure fluid is the dark end of the fluid class, whose middle is mixed with tissue by partial volume.
    """
    white = np.median(channels[:, tissue == WHITE], axis=1)
    fluid = np.percentile(channels[:, tissue == CSF], 5, axis=1)
    units: FloatArray = np.abs(white - fluid).astype(np.float32)
    return units


def white_level(channels: FloatArray, tissue: NDArray[np.uint8], grid: Grid) -> FloatArray:
    """Return the brightness of white matter around every voxel (C, D, H, W); far from any it tends to the mean."""
    white = tissue == WHITE
    weight = blur_mm(white.astype(np.float32), WHITE_REACH_MM, grid)
    level = np.empty_like(channels)
    for index, channel in enumerate(channels):
        overall = channel[white].mean() if white.any() else channel.mean()
        near = blur_mm(np.where(white, channel - overall, 0).astype(np.float32), WHITE_REACH_MM, grid)
        level[index] = overall + near / np.maximum(weight, 1e-3)
    return level
