"""The thighs of the phantom: which tissue lies where, and the tumour that one of them carries.

Positions are in RAS, mm, with the origin between the legs at mid-thigh. Each leg has coordinates of its own: outwards
from its axis, forwards, upwards. The field ends below the pelvis, so no bladder outshines the tumour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid
from LesionLensLib.phantom.shapes import (
    Field,
    Points,
    Triple,
    axis_aligned_grid,
    enlarged_to,
    points_of,
    smooth_noise,
    tube,
    union,
)
from LesionLensLib.phantom.thigh_tumour import Tumour, plant_tumour

LOWER_RAS, UPPER_RAS = (-212.0, -142.0, -140.0), (212.0, 142.0, 140.0)
LEG_AXIS_MM = 95.0
_COARSE_MM = 4.0
_MASS_EFFECT_MM = 9.0
_LIMB = [((2.0, -4.0, -155.0), 63.0), ((0.0, 0.0, 0.0), 77.0), ((-2.0, 2.0, 155.0), 88.0)]
_FEMUR = [((2.0, 2.0, -155.0), 16.0), ((8.0, 9.0, -40.0), 13.5), ((14.0, 6.0, 155.0), 15.0)]
# Femoral artery and vein, deep femoral artery, great saphenous vein.
_VESSELS = [
    [((-16.0, -22.0, -155.0), 4.0), ((-31.0, 12.0, 0.0), 4.5), ((-22.0, 48.0, 155.0), 5.0)],
    [((-14.0, -30.0, -155.0), 4.5), ((-34.0, 3.0, 0.0), 5.0), ((-31.0, 44.0, 155.0), 6.0)],
    [((-4.0, -10.0, -155.0), 1.8), ((-12.0, -6.0, 0.0), 2.5), ((-10.0, 36.0, 155.0), 3.5)],
    [((-58.0, -10.0, -155.0), 2.0), ((-69.0, 12.0, 0.0), 2.2), ((-58.0, 58.0, 155.0), 2.6)],
]
_NERVE = [((0.0, -38.0, -155.0), 4.0), ((6.0, -34.0, 0.0), 4.8), ((14.0, -32.0, 155.0), 6.0)]
# Where each muscle has its centre in the cross-section (outwards, forwards) and how large it is, in shares of the limb.
_MUSCLES = [
    (0.04, 0.66, 0.26), (0.60, 0.24, 0.42), (0.20, 0.34, 0.24), (-0.36, 0.46, 0.32), (-0.62, 0.42, 0.10),
    (-0.50, 0.06, 0.22), (-0.78, -0.10, 0.10), (-0.38, -0.28, 0.36), (-0.34, -0.64, 0.22), (-0.02, -0.72, 0.20),
    (0.34, -0.60, 0.28), (0.40, -0.22, 0.16),
]  # fmt: skip
_TWIST_RAD_PER_MM = 0.0012


class ThighTissue(IntEnum):
    """The tissues of the phantom, as stored in its labelmap."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    CORTEX = 4
    MARROW = 5
    VESSEL = 6
    NERVE = 7
    TUMOUR = 8
    NECROSIS = 9


@dataclass(frozen=True)
class ThighAnatomy:
    """Tissue labels, the number of the muscle (0 outside) and the tumour on one axis-aligned grid; `(k, j, i)`."""

    grid: Grid
    tissue: NDArray[np.uint8]
    muscle: NDArray[np.uint8]
    tumour: Tumour


def build_thighs(spacing_mm: float, rng: np.random.Generator) -> ThighAnatomy:
    """Build both thighs with voxels of `spacing_mm`; smooth bodies are computed on a coarser grid and interpolated."""
    grid = axis_aligned_grid(LOWER_RAS, UPPER_RAS, spacing_mm)
    coarse = axis_aligned_grid(LOWER_RAS, UPPER_RAS, max(_COARSE_MM, spacing_mm))
    bent = _bent(points_of(coarse), coarse, rng)
    side = float(rng.choice([-1.0, 1.0]))
    tumour = plant_tumour(_seat(side, rng), points_of(coarse), coarse, grid, rng)
    fat_mm = 11.0 + 2.5 * smooth_noise(grid.shape, 30.0 / spacing_mm, rng)
    tissue = np.full(grid.shape, ThighTissue.AIR, dtype=np.uint8)
    muscle = np.zeros(grid.shape, dtype=np.uint8)
    for sign in (-1.0, 1.0):
        leg = Points(sign * bent.x - LEG_AXIS_MM, bent.y, bent.z)
        limb = tube(leg, _LIMB)
        if sign == side:
            limb = union(limb, tumour.coarse_mm - _MASS_EFFECT_MM, blend_mm=24.0)
        step = coarse.spacing_mm[0] / spacing_mm
        inside = enlarged_to(limb, step, grid.shape)
        _paint_leg(tissue, muscle, inside, [enlarged_to(a, step, grid.shape) for a in (leg.x, leg.y, leg.z)], fat_mm)
    grows = (tumour.to_surface_mm < 0) & ~np.isin(tissue, (ThighTissue.CORTEX, ThighTissue.MARROW))
    tissue[grows] = np.where(tumour.to_necrosis_mm[grows] < 0, ThighTissue.NECROSIS, ThighTissue.TUMOUR)
    muscle[grows] = 0
    return ThighAnatomy(grid, tissue, muscle, tumour)


def _bent(p: Points, grid: Grid, rng: np.random.Generator) -> Points:
    """Push the coordinates about by some millimetres, so that the two legs are no mirror images."""
    wide, narrow = 28.0 / grid.spacing_mm[0], 9.0 / grid.spacing_mm[0]
    shift = [2.2 * smooth_noise(grid.shape, wide, rng) + 0.9 * smooth_noise(grid.shape, narrow, rng) for _ in range(3)]
    return Points(p.x + shift[0], p.y + shift[1], p.z + shift[2])


def _seat(side: float, rng: np.random.Generator) -> Triple:
    """Draw the centre (RAS, mm) of the tumour: in front, inside or behind, clear of the axis of the femur."""
    angle = rng.uniform(0.45 * np.pi, 1.5 * np.pi)
    outwards, forwards = 40.0 * np.cos(angle), 40.0 * np.sin(angle)
    return float(side * (LEG_AXIS_MM + outwards)), float(forwards), float(rng.uniform(-20.0, 20.0))


def _paint_leg(
    tissue: NDArray[np.uint8], muscle: NDArray[np.uint8], limb: Field, leg: Sequence[Field], fat_mm: Field
) -> None:
    """Paint the leg whose skin is where `limb` is 0; `leg` are its own coordinates (outwards, forwards, upwards)."""
    inside = limb < 0
    depth = -limb[inside]
    own = Points(*(axis[inside] for axis in leg))
    number, seam_mm = _muscle_at(own)
    painted = np.full(depth.shape, ThighTissue.FAT, dtype=np.uint8)
    painted[depth < 1.8] = ThighTissue.SKIN
    painted[(depth > fat_mm[inside]) & (seam_mm > 0.1 * fat_mm[inside])] = ThighTissue.MUSCLE
    bone, nerve = tube(own, _FEMUR), tube(own, _NERVE)
    vessel = union(*(tube(own, stations) for stations in _VESSELS))
    wrapped = np.minimum(nerve, vessel) < 3.0
    painted[wrapped & (painted == ThighTissue.MUSCLE)] = ThighTissue.FAT
    for distance, kind in ((nerve, ThighTissue.NERVE), (vessel, ThighTissue.VESSEL), (bone, ThighTissue.CORTEX)):
        painted[distance < 0] = kind
    painted[bone < -6.0] = ThighTissue.MARROW
    tissue[inside] = painted
    muscle[inside] = np.where(painted == ThighTissue.MUSCLE, number, 0)


def _muscle_at(p: Points) -> tuple[NDArray[np.uint8], Field]:
    """Return which muscle (from 1 on) every point belongs to, and how far (mm) its seam with the next one is."""
    scale = 62.0 + 0.07 * p.z
    turn = _TWIST_RAD_PER_MM * p.z
    across, ahead = np.cos(turn) * p.x + np.sin(turn) * p.y, np.cos(turn) * p.y - np.sin(turn) * p.x
    nearest = np.full(p.x.shape, np.inf, dtype=np.float32)
    second = nearest.copy()
    number = np.zeros(p.x.shape, dtype=np.uint8)
    for index, (outwards, forwards, size) in enumerate(_MUSCLES, start=1):
        reach = np.hypot(across - outwards * scale, ahead - forwards * scale) - size * scale
        closer = reach < nearest
        second = np.where(closer, nearest, np.minimum(second, reach))
        nearest = np.where(closer, reach, nearest)
        number[closer] = index
    return number, np.asarray((second - nearest) / 2, dtype=np.float32)
