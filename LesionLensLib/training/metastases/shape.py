"""The body of a metastasis: an irregular star-like surface, and a necrotic core nested inside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from LesionLensLib.geometry import Grid, Matrix
from LesionLensLib.training.brain import FloatArray
from LesionLensLib.training.metastases.fields import SmoothField
from LesionLensLib.training.metastases.lattice import offsets_mm, voxel_width_mm
from LesionLensLib.training.metastases.limits import MetastasisRange, Range

SMALLEST_CORE_MM = 1.5
"""Radius of the smallest core that is drawn; a clinical scan does not resolve less."""


@dataclass(frozen=True, eq=False)
class StarBody:
    """A body with one surface point in every direction u from its centre: r(u) = c exp(roughness f(u)) / |S⁻¹ u|.

    `stretch` is S (3, 3), symmetric with determinant 1, `bumps` the field f over the unit sphere. c is such that the
    volume is that of a ball of `radius_mm`.
    """

    center_ras: tuple[float, float, float]
    radius_mm: float
    stretch: Matrix
    roughness: float
    bumps: SmoothField

    def radius_along(self, directions: Matrix) -> Matrix:
        """Return the distance in mm from centre to surface along unit vectors (..., 3) in RAS."""
        return self._unscaled(directions) * (self.radius_mm / self._mean_radius())

    def _unscaled(self, directions: Matrix) -> Matrix:
        ellipsoid = 1 / np.linalg.norm(directions @ np.linalg.inv(self.stretch), axis=-1)
        rough: Matrix = ellipsoid * np.exp(self.roughness * self.bumps.at(directions))
        return rough

    def _mean_radius(self) -> float:
        """Return the radius of the ball of equal volume before scaling, from directions spread evenly."""
        return float(np.mean(self._unscaled(_even_directions()) ** 3) ** (1 / 3))


@dataclass(frozen=True, eq=False)
class MetastasisShape:
    """A body and its necrotic core, whose surface follows the body's at `core_scale` times its radius, unevenly.

    The rim is nowhere thinner than `thinnest_rim_mm`. A `core_scale` of 0 is a solid metastasis.
    """

    body: StarBody
    core_scale: float
    core_roughness: float
    core_bumps: SmoothField
    thinnest_rim_mm: float

    def shares_on(self, grid: Grid) -> tuple[FloatArray, FloatArray]:
        """Return how much of each voxel (k, j, i) is body (rim and core) and how much is core, 0 to 1."""
        offsets = offsets_mm(grid, self.body.center_ras)
        length = np.linalg.norm(offsets, axis=-1)
        body, core = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
        # A star body reaches no farther than its farthest surface point, so most of a box needs no cosines.
        near = length < self.reach_mm + float(np.linalg.norm(grid.spacing_mm))
        directions = offsets[near] / np.maximum(length[near], 1e-6)[:, None]
        width = voxel_width_mm(grid, directions)
        outer = self.body.radius_along(directions)
        body[near] = _share(length[near], outer, width)
        if self.core_scale > 0:
            core[near] = _share(length[near], self._core_radius(directions, outer), width)
        return body, core

    @property
    def reach_mm(self) -> float:
        """The distance in mm from the centre to the farthest point of the surface."""
        return float(self.body.radius_along(_even_directions()).max())

    def _core_radius(self, directions: Matrix, outer: Matrix) -> Matrix:
        uneven = self.core_scale * np.exp(self.core_roughness * self.core_bumps.at(directions))
        core: Matrix = np.minimum(outer * uneven, outer - self.thinnest_rim_mm)
        return core


def draw_shape(
    center_ras: tuple[float, float, float], radius_mm: float, limits: MetastasisRange, rng: np.random.Generator
) -> MetastasisShape:
    """Draw a metastasis of the given size (radius in mm of the ball of equal volume) around a point in RAS."""
    body = StarBody(
        center_ras,
        radius_mm,
        _draw_stretch(limits.elongation, rng),
        rng.uniform(*limits.roughness),
        SmoothField.draw(rng.uniform(*limits.bump_length), rng),
    )
    scale = _draw_core_share(radius_mm, limits, rng) ** (1 / 3)
    thinnest = rng.uniform(*limits.thinnest_rim_mm)
    if min(scale * radius_mm, radius_mm - thinnest) < SMALLEST_CORE_MM:
        scale = 0.0
    bumps = SmoothField.draw(rng.uniform(*limits.core_bump_length), rng)
    return MetastasisShape(body, scale, rng.uniform(*limits.core_roughness), bumps, thinnest)


def _draw_core_share(radius_mm: float, limits: MetastasisRange, rng: np.random.Generator) -> float:
    """Draw the share of the body that is necrotic: small metastases are mostly solid, large ones mostly not."""
    chance = np.interp(2 * radius_mm, limits.necrosis_diameter_mm, limits.necrosis_chance)
    share = rng.uniform(*limits.core_share)
    return float(share) if rng.random() < chance else 0.0


def _draw_stretch(elongation: Range, rng: np.random.Generator) -> Matrix:
    """Return a symmetric matrix of determinant 1 that stretches by up to `elongation` in a random direction."""
    axes = Rotation.random(rng=rng).as_matrix()
    factors = np.array([rng.uniform(*elongation), 1.0, 1 / rng.uniform(*elongation) ** 0.5])
    stretch: Matrix = axes @ np.diag(factors / np.prod(factors) ** (1 / 3)) @ axes.T
    return stretch


def _share(length_mm: Matrix, radius_mm: Matrix, width_mm: Matrix) -> FloatArray:
    """Return the share of a voxel at `length_mm` from the centre that lies within a surface at `radius_mm`.

    The surface is taken as flat; what that adds to the volume of a ball, its curvature takes away again.
    """
    flat = radius_mm - width_mm**2 / (12 * np.maximum(radius_mm, width_mm))
    share: FloatArray = np.clip(0.5 - (length_mm - flat) / width_mm, 0, 1).astype(np.float32)
    return share


def _even_directions(count: int = 2000) -> Matrix:
    """Return unit vectors (count, 3) spread evenly over the sphere along a spiral (Fibonacci lattice)."""
    height = 1 - (2 * np.arange(count) + 1) / count
    angle = np.arange(count) * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1)
