"""Many boxes of one size at once: the coordinates of their voxels, and what an image shows in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from LesionLensLib.explain.occlusion.cubes import Triple


class BoxCoordinates(NamedTuple):
    """Voxel numbers (B, side) along each axis, the border's where a box reaches beyond, and which are `inside`.

    `inside` (B, D', H', W') is None where all are.
    """

    depth: Tensor
    height: Tensor
    width: Tensor
    inside: Tensor | None


def box_coordinates(starts: Tensor, size: Triple, shape: Sequence[int]) -> BoxCoordinates:
    """Return the voxels of boxes of `size` at `starts` (B, 3, none negative) in a volume of `shape`."""
    axes, insides = [], []
    for axis, (side, voxels) in enumerate(zip(size, shape, strict=True)):
        numbers = starts[:, axis, None] + torch.arange(side, device=starts.device)
        insides.append(numbers < voxels)
        axes.append(numbers.clamp(max=voxels - 1))
    if all(bool(each.all()) for each in insides):
        return BoxCoordinates(axes[0], axes[1], axes[2], None)
    depth, height, width = insides
    inside = depth[:, :, None, None] & height[:, None, :, None] & width[:, None, None, :]
    return BoxCoordinates(axes[0], axes[1], axes[2], inside)


def cut(image: Tensor, boxes: BoxCoordinates) -> Tensor:
    """Return the boxes (B, C, D', H', W') of `image` (1, C, D, H, W)."""
    depth, height, width = boxes.depth[:, :, None, None], boxes.height[:, None, :, None], boxes.width[:, None, None, :]
    return image[0][:, depth, height, width].transpose(0, 1)
