"""What changes in the maps of an ordinary convolutional network when a part of its input does, layer by layer.

A layer is kept with what it makes of the image as it is. Of a change it gets the patches of its input that differ, and
returns those of its output, larger by the reach of its kernel: convolutions are linear, activations are looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, max_pool3d, pad

from LesionLensLib.explain.occlusion.cells import Cells, clipped
from LesionLensLib.explain.occlusion.cubes import Triple


@dataclass(frozen=True, eq=False)
class Patch:
    """Differences (B, C, D', H', W') of a map from the cells `first` (B, 3) on; 0 beyond the border of the map."""

    changed: Tensor
    first: Tensor

    @property
    def counts(self) -> Triple:
        """How many cells it has along each axis."""
        depth, height, width = self.changed.shape[2:]
        return depth, height, width


class Reached(NamedTuple):
    """The cells of a layer's output that see patches of its input: `counts` of them from `first` (B, 3) on.

    `margins`, as `pad` takes them, widen the patches so that an unpadded pass over them gives just these cells.
    """

    first: Tensor
    counts: Triple
    margins: tuple[int, ...]

    @property
    def before(self) -> Tensor:
        """The margins (3,) on the side of the lower numbers."""
        return torch.tensor(self.margins[-2::-2], device=self.first.device)


@dataclass(frozen=True)
class Kernel:
    """Which cells a layer sees: cell o of its output those from stride * o - padding on, `size` of them."""

    size: int
    stride: int
    padding: int

    def reached(self, first: Tensor, counts: Triple) -> Reached:
        """Return what sees patches of `counts` cells at `first` (B, 3), all of them equal modulo the stride."""
        lowest = first + self.padding - self.size + self.stride
        reached = torch.div(lowest, self.stride, rounding_mode="floor")
        cells, margins = [], []
        for low, out, count in zip(first[0].tolist(), reached[0].tolist(), counts, strict=True):
            number = (low + count - 1 + self.padding) // self.stride - out + 1
            before = low - (self.stride * out - self.padding)
            cells.append(number)
            margins.append((before, self.stride * (number - 1) + self.size - before - count))
        depth, height, width = cells
        return Reached(reached, (depth, height, width), tuple(side for pair in reversed(margins) for side in pair))

    def most(self, counts: Triple) -> Triple:
        """Return how many cells patches of `counts` cells reach at most, wherever they begin."""
        depth, height, width = ((count + self.size + self.stride - 2) // self.stride for count in counts)
        return depth, height, width


class ConvolvedMap:
    """A convolution, kept with its output `sums` for the image as it is, before the ReLU."""

    def __init__(self, convolution: nn.Conv3d, features: Tensor) -> None:
        self.kernel = Kernel(convolution.kernel_size[0], convolution.stride[0], int(convolution.padding[0]))
        self.weight = convolution.weight.detach().contiguous(memory_format=torch.channels_last_3d)
        self.sums = convolution(features)

    def added(self, patch: Patch) -> Patch:
        """Return by how much the output changes, before the ReLU; beyond the border it is not 0."""
        reached = self.kernel.reached(patch.first, patch.counts)
        around = pad(patch.changed, reached.margins).contiguous(memory_format=torch.channels_last_3d)
        return Patch(conv3d(around, self.weight, stride=self.kernel.stride), reached.first)


class RectifiedMap:
    """The ReLU of `sums` (1, C, D, H, W)."""

    def __init__(self, sums: Tensor) -> None:
        self.cells = Cells(sums.shape[2:], sums.device)
        self.table = self.cells.table(sums)
        self.values = sums.relu()

    def change(self, added: Patch) -> Patch:
        """Return by how much the ReLU changes when its input does by `added`; 0 beyond the border."""
        (before,) = self.cells.patches((self.table,), added.first, added.counts)
        return Patch((before + added.changed).relu_().sub_(before.relu()), added.first)


class PooledMap:
    """The maximum pooling of `features` (1, C, D, H, W), none of them negative."""

    def __init__(self, features: Tensor, kernel: Kernel) -> None:
        self.kernel = kernel
        self.cells = Cells(features.shape[2:], features.device)
        self.table = self.cells.table(features)
        self.values = max_pool3d(features, kernel.size, kernel.stride, kernel.padding)
        self.pooled = Cells(self.values.shape[2:], features.device)
        self.pooled_table = self.pooled.table(self.values)

    def change(self, patch: Patch) -> Patch:
        """Return by how much the pooled map changes; 0 beyond the border."""
        reached = self.kernel.reached(patch.first, patch.counts)
        around = Patch(pad(patch.changed, reached.margins), patch.first - reached.before)
        (values,) = self.cells.patches((self.table,), around.first, around.counts)
        pooled = max_pool3d(values + around.changed, self.kernel.size, self.kernel.stride)
        (old,) = self.pooled.patches((self.pooled_table,), reached.first, reached.counts)
        # Beyond the border the table holds -inf, and the difference would be infinite.
        return Patch(torch.where(old.isinf(), 0.0, pooled - old), reached.first)


def pasted(features: Tensor, patch: Patch) -> Tensor:
    """Return maps (B, C, D, H, W) in channels-last layout: `features` (1, C, D, H, W) plus the differences of each."""
    maps = features.repeat(len(patch.first), 1, 1, 1, 1).contiguous(memory_format=torch.channels_last_3d)
    for number, first in enumerate(patch.first.tolist()):
        inside, outside = clipped(first, patch.counts, features.shape[2:])
        maps[number, :, *inside] += patch.changed[number, :, *outside]
    return maps
