"""Sample a box at a moved lattice: the geometry of every augmentation of an outcome training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from LesionLensLib.geometry import Matrix
from LesionLensLib.training.pose import rotation


def random_pose(degrees: Matrix, scale: float, flip_chance: float, rng: np.random.Generator) -> Matrix:
    """Return a random 3 x 3 matrix in voxels, order (W, H, D): turned by up to `degrees` (3,), stretched, mirrored.

    `scale` is the largest natural logarithm of the stretch along each axis, `flip_chance` is per axis.
    """
    matrix = rotation(rng.uniform(-1, 1, 3) * degrees) * np.exp(rng.uniform(-scale, scale, 3))
    return np.asarray(matrix * np.where(rng.random(3) < flip_chance, -1.0, 1.0))


def sample_moved(
    images: Tensor, shape: tuple[int, int, int], pose: Matrix, shift: Matrix, bend: Tensor | None = None
) -> Tensor:
    """Sample `images` (C, D', H', W') linearly at a moved lattice of `shape` about the same centre; 0 outside.

    `shift` (3,) is in voxels, order (W, H, D); `bend` (1, D, H, W, 3) likewise.
    """
    wanted, given = np.array(shape[::-1], float), np.array(images.shape[:0:-1], float)
    # torch counts from -1 to 1 along each axis of either box, so the pose must be brought from the one to the other.
    theta = np.concatenate([pose * wanted[None, :] / given[:, None], (2 * shift / given)[:, None]], axis=1)
    pose_of_torch = torch.tensor(theta[None], dtype=torch.float32)
    lattice = functional.affine_grid(pose_of_torch, [1, 1, *shape], align_corners=False)
    if bend is not None:
        lattice = lattice + bend * torch.tensor(2 / given, dtype=torch.float32)
    return functional.grid_sample(images[None], lattice, "bilinear", "zeros", align_corners=False)[0]


def middle(images: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return the middle (..., D, H, W) of `shape` of a wider box, which is as much wider on every side."""
    for axis, want in zip((-3, -2, -1), shape, strict=True):
        images = images.narrow(axis, (images.shape[axis] - want) // 2, want)
    return images
