"""The stem of the attention ResNet: a large convolution, norm, ReLU and pooling, most of the work in a small network.

The convolution is linear, so that only its outputs around a cube are computed. Batch norm at rest is part of it. Group
norm takes statistics of the whole map: they are corrected by what changed, and since pooling commutes with a rising
function, all that is left to do everywhere is a scaling and a ReLU of the small pooled map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool3d, pad

from LesionLensLib.explain.occlusion.cells import Cells, clipped
from LesionLensLib.explain.occlusion.changed_map import ConvolvedMap, Kernel, Patch, PooledMap, RectifiedMap
from LesionLensLib.explain.occlusion.cubes import Triple

POOL = Kernel(3, 2, 1)


class LocalStem:
    """A stem whose norm is part of its convolution: a cube changes a patch of its output."""

    def __init__(self, convolution: nn.Conv3d, image: Tensor) -> None:
        self.convolved = ConvolvedMap(convolution, image)
        self.rectified = RectifiedMap(self.convolved.sums)
        self.pooled = PooledMap(self.rectified.values, POOL)
        self.values = self.pooled.values

    def change(self, patch: Patch) -> Patch:
        """Return what changes in the pooled map."""
        return self.pooled.change(self.rectified.change(self.convolved.added(patch)))


class GroupNormStem:
    """A stem with group norm: a cube changes all of its output, most of it by a scaling alone.

    Channels whose scaling is negative are kept with the opposite sign, which turns their minimum into the maximum that
    the pooling takes.
    """

    def __init__(self, convolution: nn.Conv3d, norm: nn.GroupNorm, image: Tensor) -> None:
        self.norm = norm
        self.sign = torch.where(norm.weight.detach() < 0, -1.0, 1.0)
        self.convolved = ConvolvedMap(convolution, image)
        signed = self.convolved.sums * self.sign.view(1, -1, 1, 1, 1)
        self.cells = Cells(signed.shape[2:], signed.device)
        self.table = self.cells.table(signed)
        self.values = max_pool3d(signed, POOL.size, POOL.stride, POOL.padding)
        self.voxels = signed[0, 0].numel()
        flat = signed[0].flatten(1).double()
        self.moments = torch.stack([flat.sum(1), flat.square().sum(1)])

    def outputs(self, patch: Patch) -> Tensor:
        """Return what enters the first block with each patch of the image changed, (B, C, D / 4, H / 4, W / 4)."""
        added = self.convolved.added(patch)
        changed = added.changed * self.sign.view(1, -1, 1, 1, 1)
        reached = POOL.reached(added.first, added.counts)
        around = pad(changed, reached.margins)
        wide: Triple = (around.shape[2], around.shape[3], around.shape[4])
        (before,) = self.cells.patches((self.table,), added.first - reached.before, wide)
        scale, shift = self._scaling(before, around)
        pooled = max_pool3d(before + around, POOL.size, POOL.stride)
        maps = self.values.repeat(len(around), 1, 1, 1, 1).contiguous(memory_format=torch.channels_last_3d)
        for number, first in enumerate(reached.first.tolist()):
            inside, outside = clipped(first, reached.counts, maps.shape[2:])
            maps[number, :, *inside] = pooled[number, :, *outside]
        return torch.addcmul(shift, maps, scale).relu_()

    def _scaling(self, before: Tensor, around: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift (B, C, 1, 1, 1) of the signed maps, whose values changed by `around`."""
        inside = before.isfinite()
        changed = torch.where(inside, around, 0.0).double()
        sums = changed.sum((2, 3, 4))
        squares = torch.where(inside, changed * (2 * before.double() + changed), 0.0).sum((2, 3, 4))
        first, second = (self.moments[:, None] + torch.stack([sums, squares])) / self.voxels
        grouped = (first * self.sign).view(len(sums), self.norm.num_groups, -1)
        width, means = grouped.shape[2], grouped.mean(2)
        variances = second.view(grouped.shape).mean(2) - means.square()
        weight = torch.rsqrt(variances + self.norm.eps).repeat_interleave(width, 1) * self.norm.weight.double()
        shift = self.norm.bias.double() - means.repeat_interleave(width, 1) * weight
        scale = (weight * self.sign).to(before.dtype)
        return scale[..., None, None, None], shift.to(before.dtype)[..., None, None, None]
