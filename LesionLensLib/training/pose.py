"""Rotations of a sampling lattice, shared by all augmentations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LesionLensLib.geometry import Matrix


def rotation(degrees: Sequence[float] | Matrix) -> Matrix:
    """Return the 3 x 3 rotation about the axes W, H and D, one after the other, in the order (W, H, D)."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        turn = np.eye(3)
        a, b = [(1, 2), (0, 2), (0, 1)][axis]
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix
