"""The healthy head of the phantom: which tissue lies where, from ventricles to skin.

Positions are in RAS, mm, with the origin near the anterior commissure; sizes follow an adult head. The cortex is
folded: sulci are the zero sheets of a smooth random field drawn on the brain surface and carried inwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.phantom.shapes import (
    Field,
    Points,
    axis_aligned_grid,
    ellipsoid,
    enlarged,
    points_of,
    smooth_noise,
    tube,
    union,
)

LOWER_RAS, UPPER_RAS = (-92.0, -122.0, -88.0), (92.0, 96.0, 98.0)
_BRAIN_CENTER = (0.0, -17.0, 8.0)


class Tissue(IntEnum):
    """The tissues of the phantom, as stored in its labelmap."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    BONE = 4
    MARROW = 5
    CSF = 6
    GREY = 7
    DEEP_GREY = 8
    WHITE = 9
    VITREOUS = 10


@dataclass(frozen=True)
class Anatomy:
    """Tissue labels and distances (mm, negative inside) on one axis-aligned grid; arrays `(k, j, i)`."""

    grid: Grid
    tissue: NDArray[np.uint8]
    brain: NDArray[np.bool_]
    to_ventricle_mm: Field
    to_cortex_mm: Field


@dataclass(frozen=True)
class _Bodies:
    """Signed distances of the bodies; `cortex_depth` counts inwards from the surface of the cerebrum."""

    cerebrum: Field
    cerebellum: Field
    stem: Field
    ventricle: Field
    deep_grey: Field
    callosum: Field
    cavity: Field
    face: Field
    eyes: Field
    airways: Field


def build_anatomy(spacing_mm: float, rng: np.random.Generator) -> Anatomy:
    """Build the head with voxels of `spacing_mm`; smooth bodies are computed on a coarser grid and interpolated."""
    grid = axis_aligned_grid(LOWER_RAS, UPPER_RAS, spacing_mm)
    coarse = axis_aligned_grid(LOWER_RAS, UPPER_RAS, max(2.5, spacing_mm))
    bodies = _interpolated(_bodies(_warped(points_of(coarse), coarse, rng)), coarse, grid)
    points = points_of(grid)
    sulcus = _distance_to_sulcus(points, -bodies.cerebrum, grid, rng)
    folia = _distance_to_folia(points, bodies.cerebellum, grid, rng)
    tissue = _outer_tissues(bodies, grid, rng)
    brain = _paint_brain(tissue, points, bodies, sulcus, folia)
    return Anatomy(grid, tissue, brain, bodies.ventricle, np.minimum(sulcus, -bodies.cerebrum))


def _warped(points: Points, grid: Grid, rng: np.random.Generator) -> Points:
    """Push the coordinates about by some millimetres, so that no two halves of a head are mirror images."""
    sigma = 22.0 / grid.spacing_mm[0]
    shift = [1.8 * smooth_noise(grid.shape, sigma, rng) for _ in range(3)]
    return Points(points.x + shift[0], points.y + shift[1], points.z + shift[2])


def _bodies(p: Points) -> _Bodies:
    side = Points(np.abs(p.x), p.y, p.z)
    hemisphere = np.maximum(ellipsoid(side, (4.0, -17.0, 14.0), (64.0, 84.0, 62.0)), -(p.z + 16.0))
    temporal = ellipsoid(side, (42.0, -8.0, -18.0), (22.0, 38.0, 21.0))
    cerebrum = union(hemisphere, temporal, blend_mm=6.0)
    cerebellum = union(
        ellipsoid(side, (22.0, -66.0, -35.0), (30.0, 27.0, 19.0)),
        ellipsoid(p, (0.0, -64.0, -34.0), (12.0, 24.0, 21.0)),
        blend_mm=5.0,
    )
    stem = tube(p, [((0, -18, 2), 13.0), ((0, -22, -22), 14.0), ((0, -32, -42), 11.0), ((0, -40, -90), 7.5)])
    brain = union(cerebrum, cerebellum, stem, blend_mm=12.0)
    vault = np.maximum(ellipsoid(p, (0.0, -17.0, 14.0), (66.8, 85.8, 64.0)), -(p.z + 17.0))
    return _Bodies(
        cerebrum=cerebrum,
        cerebellum=cerebellum,
        stem=stem,
        ventricle=_ventricles(p, side),
        deep_grey=_deep_grey(side),
        callosum=_callosum(p),
        cavity=union(vault, brain - 1.6, blend_mm=8.0),
        face=union(
            ellipsoid(p, (0.0, 42.0, -52.0), (60.0, 50.0, 66.0)),
            ellipsoid(p, (0.0, -40.0, -88.0), (54.0, 48.0, 60.0)),
            blend_mm=20.0,
        ),
        eyes=ellipsoid(side, (32.0, 60.0, -30.0), (12.0, 12.5, 12.0)),
        airways=union(
            ellipsoid(p, (0.0, 66.0, -48.0), (9.0, 18.0, 22.0)),
            ellipsoid(side, (28.0, 58.0, -62.0), (13.0, 14.0, 14.0)),
        ),
    )


def _ventricles(p: Points, side: Points) -> Field:
    body = tube(
        side,
        [
            ((9, 33, 6), 4.0), ((9, 22, 14), 5.0), ((9, 2, 22), 5.0), ((13, -20, 20), 5.5), ((23, -36, 12), 7.0),
            ((24, -50, 6), 4.5), ((20, -64, 4), 2.0),
        ],
    )  # fmt: skip
    horn = tube(side, [((23, -36, 10), 6.0), ((31, -26, -6), 3.5), ((32, -8, -16), 2.5)])
    third = ellipsoid(p, (0.0, -6.0, 2.0), (2.6, 15.0, 11.0))
    fourth = union(
        ellipsoid(p, (0.0, -40.0, -34.0), (6.5, 5.0, 11.0)), tube(p, [((0, -24, -2), 1.3), ((0, -38, -26), 1.6)])
    )
    return union(body, horn, third, fourth)


def _deep_grey(side: Points) -> Field:
    caudate = tube(side, [((14, 24, 6), 5.5), ((16, 12, 14), 4.5), ((18, -8, 22), 3.0)])
    putamen = ellipsoid(side, (27.0, 4.0, 1.0), (6.0, 17.0, 11.0))
    thalamus = ellipsoid(side, (11.5, -17.0, 7.0), (8.0, 14.0, 9.0))
    return union(caudate, putamen, thalamus)


def _callosum(p: Points) -> Field:
    return np.maximum(
        tube(p, [((0, 34, 4), 4.5), ((0, 32, 18), 4.5), ((0, 4, 30), 4.0), ((0, -28, 27), 4.5), ((0, -42, 14), 5.5)]),
        np.abs(p.x) - 14.0,
    )


def _interpolated(bodies: _Bodies, coarse: Grid, fine: Grid) -> _Bodies:
    if coarse == fine:
        return bodies
    step = coarse.spacing_mm[0] / fine.spacing_mm[0]
    return _Bodies(**{name: enlarged(field, step, fine.shape) for name, field in vars(bodies).items()})


def _distance_to_sulcus(p: Points, depth: Field, grid: Grid, rng: np.random.Generator) -> Field:
    """Return the distance (mm) to the nearest sulcus; large where none reaches.

    The field is looked up on the brain surface (nearly), so that its zero sheets stand upright on it like real sulci.
    """
    spacing = 2.0
    shape = tuple(int(260 / spacing) for _ in range(3))
    noise = smooth_noise(shape, 3.3 / spacing, rng) - 0.75 * smooth_noise(shape, 6.6 / spacing, rng)
    slope = np.sqrt(sum(g**2 for g in np.gradient(noise, spacing)))
    sheet = np.float32(np.abs(noise) / np.maximum(slope, 0.25 * slope.mean()))
    near = (depth > -1) & (depth < 34)
    offset = [a[near] - c for a, c in zip((p.x, p.y, p.z), _BRAIN_CENTER, strict=True)]
    radius = np.sqrt(sum(o**2 for o in offset))
    stretch = ((radius + depth[near]) / np.maximum(radius, 5.0)) ** 0.75
    index = [o * stretch / spacing + shape[0] / 2 for o in reversed(offset)]
    side = ndimage.map_coordinates(sheet, index, order=1, mode="wrap")
    reach = 20.0 + 4.5 * smooth_noise(grid.shape, 14.0 / grid.spacing_mm[0], rng)[near]
    distance = np.full(depth.shape, 99.0, dtype=np.float32)
    distance[near] = np.hypot(side, np.maximum(depth[near] - reach, 0))
    return distance


def _distance_to_sylvian_fissure(p: Points) -> Field:
    """Return the distance (mm) to the cleft between temporal lobe and the lobes above it, on both sides."""
    height = p.z + 3.0 + 0.5 * p.y + 2.2 * np.sin(p.y / 7.0) + 1.5 * np.sin(p.x / 5.0)
    beyond = np.maximum(40.0 - np.abs(p.x), 0) ** 2 + np.maximum(np.abs(p.y - 2.0) - 26.0, 0) ** 2
    return np.asarray(np.sqrt(height**2 + beyond), dtype=np.float32)


def _distance_to_folia(p: Points, cerebellum: Field, grid: Grid, rng: np.random.Generator) -> Field:
    """Return the distance (mm) to the leaves of the cerebellum: shells around its core, bent by noise."""
    bend = smooth_noise(grid.shape, 9.0 / grid.spacing_mm[0], rng)
    angle = np.arctan2(p.z + 40.0, p.y + 44.0)
    period = 5.5
    phase = (angle * 26.0 + 2.0 * bend) / period
    return np.asarray(period * np.abs(phase - np.round(phase)) + np.maximum(-cerebellum - 13.0, 0), dtype=np.float32)


def _outer_tissues(bodies: _Bodies, grid: Grid, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint everything outside the brain's own cavity, and the fluid that fills it."""
    out = bodies.cavity + 0.8 * smooth_noise(grid.shape, 12.0 / grid.spacing_mm[0], rng)
    scalp_mm = 11.0 + 1.5 * smooth_noise(grid.shape, 25.0 / grid.spacing_mm[0], rng)
    head = union(out - scalp_mm, bodies.face, blend_mm=12.0)
    tissue = np.full(grid.shape, Tissue.AIR, dtype=np.uint8)
    streaks = smooth_noise(grid.shape, 4.0 / grid.spacing_mm[0], rng)
    soft = np.where(streaks > 0.35, np.uint8(Tissue.FAT), np.uint8(Tissue.MUSCLE))
    tissue[head < 0] = Tissue.SKIN
    tissue[head < -1.5] = Tissue.FAT
    deep = (head < -6.5) & (bodies.face < -3.0)
    tissue[deep] = soft[deep]
    tissue[(out < 6.0) & (head < -1.5)] = Tissue.BONE
    tissue[(out > 1.8) & (out < 4.0)] = Tissue.MARROW
    tissue[(bodies.eyes < 9.0) & (out > 6.0) & (head < -2.0)] = Tissue.FAT
    tissue[(bodies.airways < 0) & (out > 4.0)] = Tissue.AIR
    tissue[(bodies.eyes < 0) & (out > 2.0)] = Tissue.VITREOUS
    tissue[out < 0] = Tissue.CSF
    return tissue


def _paint_brain(
    tissue: NDArray[np.uint8], p: Points, bodies: _Bodies, sulcus: Field, folia: Field
) -> NDArray[np.bool_]:
    """Paint the brain into `tissue` and return its mask, sulci and ventricles included."""
    inside = bodies.cavity < -0.8
    cerebrum = (bodies.cerebrum < 0) & inside
    fissure_mm = np.where(bodies.callosum < 1.0, 99.0, np.abs(p.x + 0.6 * np.sin(p.y / 9.0)))
    fissure_mm = np.where((p.z < 2.0) & (np.abs(p.y + 6.0) < 42.0), 99.0, fissure_mm)
    fissure_mm = np.where((p.z < 24.0) & (np.abs(p.y + 6.0) < 32.0), 99.0, fissure_mm)
    groove = np.minimum(np.minimum(sulcus, fissure_mm), _distance_to_sylvian_fissure(p))
    tissue[cerebrum] = Tissue.WHITE
    tissue[cerebrum & ((groove < 3.0) | (bodies.cerebrum > -2.8))] = Tissue.GREY
    tissue[cerebrum & (groove < 0.9)] = Tissue.CSF
    cerebellum = (bodies.cerebellum < 0) & inside & (bodies.cerebrum > 2.0)
    tissue[cerebellum] = np.where(folia[cerebellum] < 1.9, np.uint8(Tissue.GREY), np.uint8(Tissue.WHITE))
    tissue[cerebellum & (folia < 0.5)] = Tissue.CSF
    stem = (bodies.stem < 0) & (bodies.cavity < 0)
    tissue[stem] = Tissue.WHITE
    tissue[(bodies.callosum < 0) & cerebrum] = Tissue.WHITE
    tissue[(bodies.deep_grey < 0) & cerebrum] = Tissue.DEEP_GREY
    tissue[(bodies.ventricle < 0) & (cerebrum | cerebellum | stem)] = Tissue.CSF
    return cerebrum | cerebellum | (stem & (p.z > -72.0))
