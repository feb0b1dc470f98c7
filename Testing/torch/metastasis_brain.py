"""A made-up brain for the tests of simulated metastases: nested balls, known exactly, on any grid."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from LesionLensLib.geometry import Grid
from LesionLensLib.training.brain import CSF, GREY, WHITE
from LesionLensLib.training.metastases.lattice import offsets_mm
from LesionLensLib.training.metastases.soil import Soil

CENTER_RAS = (12.0, -20.0, 31.0)
BRAIN_MM, CORTEX_MM, VENTRICLE_MM = 34.0, 4.0, 7.0
LEVELS = {CSF: (200.0, 100.0), GREY: (600.0, 700.0), WHITE: (1000.0, 500.0)}
UNITS = (800.0, 400.0)
AXES = Rotation.from_euler("xyz", (20.0, -15.0, 30.0), degrees=True).as_matrix() @ np.diag([1.0, 1.0, -1.0])


def _centered(size: tuple[int, int, int], spacing_mm: tuple[float, float, float], axes: np.ndarray) -> Grid:
    center_lps = np.array(CENTER_RAS) * (-1, -1, 1)
    origin = center_lps - axes @ (np.array(spacing_mm) * (np.array(size) - 1) / 2)
    return Grid(size, spacing_mm, tuple(origin), tuple(axes.ravel()))


STRAIGHT = _centered((72, 72, 72), (1.0, 1.0, 1.0), np.eye(3))
OBLIQUE = _centered((90, 66, 48), (0.8, 1.1, 1.5), AXES)
"""Turned about three axes, left-handed, three spacings."""

GRIDS = {"straight": STRAIGHT, "oblique, left-handed, anisotropic": OBLIQUE}


def radius_from(grid: Grid, center_ras: tuple[float, float, float]) -> np.ndarray:
    """The distance (k, j, i) in mm from a point."""
    return np.linalg.norm(offsets_mm(grid, center_ras), axis=-1)


def made_up_soil(grid: Grid, noise: float = 8.0) -> Soil:
    """White matter with a ball of fluid in its middle and a cortex around."""
    radius = radius_from(grid, CENTER_RAS)
    tissue = np.select(
        [radius <= VENTRICLE_MM, radius <= BRAIN_MM - CORTEX_MM, radius <= BRAIN_MM], [CSF, WHITE, GREY], 0
    ).astype(np.uint8)
    channels = np.zeros((2, *grid.shape), np.float32)
    for label, levels in LEVELS.items():
        channels[:, tissue == label] = np.array(levels, np.float32)[:, None]
    brain = tissue > 0
    channels[:, brain] += np.random.default_rng(3).normal(0, noise, (2, int(brain.sum()))).astype(np.float32)
    return Soil("made-up", "made-up", "phantom", False, channels, grid, brain, tissue)
