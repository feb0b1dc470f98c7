"""Millimetres on a grid: boxes, offsets, blur and distance that heed spacing and axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from LesionLensLib.geometry import Grid, Matrix
from LesionLensLib.training.brain import BoolArray, FloatArray


@dataclass(frozen=True)
class Box:
    """A part of a grid: `part` cuts it out of arrays (k, j, i), `grid` says where its voxels lie."""

    part: tuple[slice, slice, slice]
    grid: Grid


def box_around(grid: Grid, center_ras: ArrayLike, reach_mm: float) -> Box:
    """Return the voxels of `grid` within a cube of half side `reach_mm` (along the grid's axes) around a point.

    Raises `ValueError` where the grid holds none of them.
    """
    center = grid.ijk_from_ras(center_ras)
    reach = reach_mm / np.array(grid.spacing_mm)
    lower = np.maximum(np.floor(center - reach), 0).astype(int)
    upper = np.minimum(np.ceil(center + reach) + 1, grid.size).astype(int)
    if np.any(upper <= lower):
        raise ValueError("the box lies outside of the grid")
    k, j, i = (slice(int(a), int(b)) for a, b in zip(lower[::-1], upper[::-1], strict=True))
    return Box((k, j, i), grid.cropped([int(n) for n in lower], [int(n) for n in upper - lower]))


def offsets_mm(grid: Grid, center_ras: ArrayLike) -> Matrix:
    """Return the vector in RAS mm from a point to every voxel, (k, j, i, 3)."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    offsets: Matrix = grid.ras_from_ijk(np.stack([i, j, k], axis=-1)) - np.asarray(center_ras)
    return offsets


def voxel_width_mm(grid: Grid, directions: Matrix) -> Matrix:
    """Return how wide a voxel is, in mm, along unit vectors (..., 3) in RAS: that of a slab of equal variance."""
    width: Matrix = np.linalg.norm(directions @ grid.ijk_to_ras[:3, :3], axis=-1)
    return width


def blur_mm(array: FloatArray, sigma_mm: float, grid: Grid) -> FloatArray:
    """Return the Gaussian blur of `array` (k, j, i) by `sigma_mm`, whatever the spacing."""
    sigmas = sigma_mm / np.array(grid.spacing_mm[::-1])
    blurred: FloatArray = ndimage.gaussian_filter(array.astype(np.float32), sigmas, mode="nearest")
    return blurred


def distance_mm(mask: BoolArray, grid: Grid) -> FloatArray:
    """Return the distance (k, j, i) in mm from every voxel to the nearest one of `mask`; infinite for an empty mask."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    distance: FloatArray = ndimage.distance_transform_edt(~mask, sampling=grid.spacing_mm[::-1]).astype(np.float32)
    return distance
