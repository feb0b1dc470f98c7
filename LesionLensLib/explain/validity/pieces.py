"""An image in cubes that are deleted or inserted in the order of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from LesionLensLib.explain.layers.placement import Triple
from LesionLensLib.explain.validity.similarity import Map

CUBES_ALONG_AN_AXIS = 12
BLANKS = ("mean", "zero", "blurred")


@dataclass(frozen=True, eq=False)
class Pieces:
    """The `numbers` (D, H, W) of the cube that each voxel of an image lies in, 0 to `count` - 1."""

    numbers: NDArray[np.intp]
    count: int

    @classmethod
    def of(cls, shape: Triple, size: Triple | None = None) -> Pieces:
        """Cut an image of `shape` into cubes of `size` voxels; None is about a twelfth of each side."""
        size = size or _default_size(shape)
        depth, height, width = (np.arange(side) // step for side, step in zip(shape, size, strict=True))
        _, rows, columns = (int(axis[-1]) + 1 for axis in (depth, height, width))
        numbers = (depth[:, None, None] * rows + height[:, None]) * columns + width
        return cls(numbers, int(numbers[-1, -1, -1]) + 1)

    def ranked(self, values: Map, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return the numbers of the cubes, the one with the highest mean value first; ties in random order."""
        sums = np.bincount(self.numbers.ravel(), np.asarray(values, dtype=np.float64).ravel(), self.count)
        means = sums / np.bincount(self.numbers.ravel(), minlength=self.count)
        shuffled = rng.permutation(self.count)
        return shuffled[np.argsort(-means[shuffled], kind="stable")]

    def voxels(self, chosen: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which voxels (D, H, W) lie in the `chosen` cubes."""
        inside = np.zeros(self.count, dtype=bool)
        inside[chosen] = True
        return inside[self.numbers]


def blank_of(image: Tensor, kind: str = "mean", outlines: Sequence[int] = ()) -> Tensor:
    """Return what is left of `image` (1, C, D, H, W) when all is deleted.

    "mean" leaves each channel its mean, "zero" nothing, "blurred" what a Gaussian with a standard deviation of a
    quarter of each side leaves. In SUV and HU the mean of a field of view is neither air nor tissue; blurred images
    keep both roughly where they are. The channels `outlines` are masks, which are part of the question and stay.
    Raises `ValueError` for another kind.
    """
    if kind not in BLANKS:
        raise ValueError(f"the blank must be one of {BLANKS}, not {kind!r}")
    if kind == "blurred":
        sigma = (0, 0, *(side / 4 for side in image.shape[2:]))
        blurred = gaussian_filter(image.double().cpu().numpy(), sigma, mode="nearest")
        blank = torch.from_numpy(blurred).to(image)
    else:
        means = image.double().mean((2, 3, 4), keepdim=True).to(image.dtype)
        blank = (means if kind == "mean" else torch.zeros_like(means)).expand_as(image).clone()
    blank[:, list(outlines)] = image[:, list(outlines)]
    return blank


def mixed(image: Tensor, blank: Tensor, deleted: NDArray[np.bool_]) -> Tensor:
    """Return `image` (1, C, D, H, W) with the voxels `deleted` (D, H, W) taken from `blank`."""
    return torch.where(torch.from_numpy(deleted).to(image.device), blank, image)


def _default_size(shape: Triple) -> Triple:
    depth, height, width = (max(1, -(-side // CUBES_ALONG_AN_AXIS)) for side in shape)
    return depth, height, width
