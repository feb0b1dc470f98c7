"""The parts of a simulated metastasis as masks, exactly as they were planted."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.images.resample import resample
from LesionLensLib.training.brain import BoolArray, FloatArray
from LesionLensLib.training.metastases.lattice import distance_mm


@dataclass(frozen=True)
class Margins:
    """Rings around the enhancing edge, in mm from the nearest voxel of the lesion.

    The oedema margin is where the mechanism of failure looks; its first millimetre is left out because voxels that
    touch the lesion are mixed with it. The planning margin is what radiotherapy adds to the lesion for set-up errors.
    """

    oedema_inner_mm: float = 1.0
    oedema_outer_mm: float = 6.0
    planning_mm: float = 2.0


@dataclass(frozen=True, eq=False)
class LesionMasks:
    """Boolean masks (k, j, i) on `grid`: necrotic `core`, enhancing `rim`, `oedema`, `margin`, `planning_target`.

    Core, rim and oedema do not overlap. `margin` is the oedema margin of `Margins`, inside the brain, wet or not;
    `planning_target` is the lesion and the planning margin.
    """

    grid: Grid
    core: BoolArray
    rim: BoolArray
    oedema: BoolArray
    margin: BoolArray
    planning_target: BoolArray

    @property
    def lesion(self) -> BoolArray:
        """Core and rim: what a radiotherapist outlines on T1c."""
        whole: BoolArray = self.core | self.rim
        return whole

    @property
    def parts(self) -> dict[str, BoolArray]:
        """Every mask by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "grid"}

    def on(self, grid: Grid) -> LesionMasks:
        """Return the masks on another grid, nearest neighbour."""
        moved = {
            name: resample(Volume(mask.astype(np.uint8), self.grid), grid, "nearest").array > 0
            for name, mask in self.parts.items()
        }
        return replace(self, grid=grid, **moved)


def masks_from_shares(
    body: FloatArray, core: FloatArray, oedema: FloatArray, brain: BoolArray, grid: Grid, margins: Margins
) -> LesionMasks:
    """Turn shares of a voxel (k, j, i; 0 to 1) into masks at one half; `oedema` must be 0 in other lesions."""
    lesion = (body > 0.5) & brain
    inner = lesion & (core > 0.5)
    away = distance_mm(lesion, grid)
    ring = brain & (away > margins.oedema_inner_mm) & (away <= margins.oedema_outer_mm)
    wet = (oedema > 0.5) & brain & ~lesion
    return LesionMasks(grid, inner, lesion & ~inner, wet, ring, brain & (away <= margins.planning_mm))
