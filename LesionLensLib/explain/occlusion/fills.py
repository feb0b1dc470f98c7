"""What stands in for an occluded cube: one value per channel, a value of its surroundings, or a blurred image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from LesionLensLib.explain.occlusion.boxes import box_coordinates, cut
from LesionLensLib.explain.occlusion.cubes import Triple
from LesionLensLib.jobs import FILLS


class Fill(Protocol):
    """What is put in the place of cubes."""

    def patches(self, starts: Tensor, size: Triple) -> Tensor:
        """Return values for boxes of `size` at `starts` (B, 3); the shape can be expanded to (B, C, *size)."""


class ConstantFill:
    """The same `values` (C,) everywhere."""

    def __init__(self, values: Tensor) -> None:
        self.values = values.view(1, -1, 1, 1, 1)

    def patches(self, starts: Tensor, size: Triple) -> Tensor:
        return self.values


class ImageFill:
    """What another `image` (1, C, D, H, W) shows at the same place."""

    def __init__(self, image: Tensor) -> None:
        self.image = image

    def patches(self, starts: Tensor, size: Triple) -> Tensor:
        return cut(self.image, box_coordinates(starts, size, self.image.shape[2:]))


class LocalMeanFill:
    """The mean, channel by channel, of a box three times as wide around the cube, without the cube itself.

    The part of it within the volume counts; a cube that fills all of it takes the mean of the channel.
    """

    def __init__(self, image: Tensor) -> None:
        self.shape = image.shape[2:]
        self.mean = image[0].double().mean((1, 2, 3))
        sums = image[0].double().cumsum(1).cumsum(2).cumsum(3)
        self.sums = torch.nn.functional.pad(sums, (1, 0, 1, 0, 1, 0))
        self.dtype = image.dtype

    def patches(self, starts: Tensor, size: Triple) -> Tensor:
        sides = torch.tensor(size, device=starts.device)
        (inner, inner_voxels), (outer, outer_voxels) = (
            self._box_sums(starts - margin, starts + sides + margin) for margin in (0, sides)
        )
        voxels = outer_voxels - inner_voxels
        around = (outer - inner) / voxels.clamp(min=1)
        values = torch.where(voxels > 0, around, self.mean[:, None])
        return values.T.to(self.dtype)[:, :, None, None, None]

    def _box_sums(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sums (C, B) over boxes low <= voxel < high (B, 3), cut at the border, and their voxels (B,)."""
        limit = torch.tensor(self.shape, device=low.device)
        low, high = (torch.minimum(corner.clamp(min=0), limit) for corner in (low, high))
        corners = torch.stack([low, high])
        total = torch.zeros(self.sums.shape[0], low.shape[0], dtype=torch.float64, device=low.device)
        for depth, height, width in np.ndindex(2, 2, 2):
            d, h, w = corners[depth, :, 0], corners[height, :, 1], corners[width, :, 2]
            total += (-1) ** (3 - depth - height - width) * self.sums[:, d, h, w]
        return total, (high - low).prod(1)


def make_fill(kind: str, image: Tensor, size: Triple, outlines: Sequence[int] = ()) -> Fill:
    """Return what stands in for boxes of `size` voxels of `image` (1, C, D, H, W).

    The kinds are the mean of the channel, the mean around the cube, 0 in the units the network gets, and the image
    blurred over a cube. The channels `outlines` are masks, whose neutral value is 0 whatever the kind. Raises
    `ValueError` for a kind that is none of `FILLS`.
    """
    if kind not in FILLS:
        raise ValueError(f"the fill must be one of {FILLS}, not {kind!r}")
    painted = image.clone()
    painted[:, list(outlines)] = 0
    if kind == "local-mean":
        return LocalMeanFill(painted)
    if kind == "blurred":
        return ImageFill(_blurred(painted, size))
    means = painted[0].double().mean((1, 2, 3)).to(image.dtype)
    return ConstantFill(torch.zeros_like(means) if kind == "zero" else means)


def _blurred(image: Tensor, size: Triple) -> Tensor:
    """Smooth by a Gaussian whose standard deviation is the side of a cube, so that nothing of a cube's size is left."""
    values = image.double().cpu().numpy()
    smooth = gaussian_filter(values, sigma=(0, 0, *size), mode="nearest")
    return torch.from_numpy(smooth).to(image)
