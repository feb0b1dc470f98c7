"""Volumes held as stacks of planes, (D, H, W, C) contiguous: the layout in which a CPU convolves fastest.

A run of planes is then one block of memory, so a volume can be streamed through a layer in slabs that stay in the
processor's cache, without copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv3d

SLAB_BYTES = 3 << 20
"""Size of a streamed slab: fits the second-level caches, and small enough for the allocator to reuse its pages."""


def as_volume(planes: Tensor) -> Tensor:
    """View planes (D, H, W, C) as a channels-last volume (1, C, D, H, W)."""
    return planes.permute(3, 0, 1, 2).unsqueeze(0)


def as_planes(volume: Tensor) -> Tensor:
    """View a channels-last volume (1, C, D, H, W) as planes (D, H, W, C); copies only if the layout differs."""
    return volume[0].permute(1, 2, 3, 0).contiguous()


def has_onednn() -> bool:
    """Tell whether this torch was built with oneDNN, the library of fast CPU convolutions."""
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def convolve(planes: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Convolve planes (d, H, W, C) with `weight` (C', C, k, k, k), zero-padded in the plane, not between planes.

    `conv3d` sends single-precision inputs with few planes to a routine that is ten times slower than oneDNN, hence the
    direct call where oneDNN is there.
    """
    edge = weight.shape[-1] // 2
    padding = (0, edge, edge)
    volume = as_volume(planes)
    if planes.device.type == "cpu" and has_onednn():
        result = torch.mkldnn_convolution(volume, weight, None, padding, (stride,) * 3, (1, 1, 1), 1)
    else:
        result = conv3d(volume, weight, stride=stride, padding=padding)
    return as_planes(result)


def zero_padded(planes: Tensor, below: int, above: int) -> Tensor:
    """Return `planes` with `below` and `above` planes of zeros at its two ends; itself where both are 0."""
    if not below and not above:
        return planes
    padded = planes.new_zeros((below + planes.shape[0] + above, *planes.shape[1:]))
    padded[below : below + planes.shape[0]] = planes
    return padded


def slab_depth(plane_voxels: int, channels: int, item_bytes: int, slab_bytes: int = SLAB_BYTES) -> int:
    """Return how many planes of `plane_voxels` voxels make up a slab; even, so that a stride of 2 divides it."""
    planes = slab_bytes // max(plane_voxels * channels * item_bytes, 1)
    return max(2, planes - planes % 2)


@dataclass(frozen=True)
class ChannelMoments:
    """Mean and summed squared deviation per channel, (C,) float64, of `count` voxels.

    torch sums a slab in float32 by cascade, accurate to 1e-7, here about the slab's own mean; slabs are joined in
    float64 and in their order (Chan et al., 1983). So neither the number of voxels nor an offset costs accuracy, and
    the threads' timing changes nothing.
    """

    count: int
    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, planes: Tensor) -> ChannelMoments:
        """Measure planes (d, H, W, C) of any floating type."""
        wide = planes.reshape(-1, planes.shape[-1]).to(torch.float32, copy=True)
        mean = wide.mean(0)
        deviation = wide.sub_(mean).square_().sum(0)
        return cls(wide.shape[0], mean.double(), deviation.double())

    @classmethod
    def joined(cls, parts: Sequence[ChannelMoments]) -> ChannelMoments:
        """Join the moments of several slabs."""
        counts = torch.tensor([part.count for part in parts], dtype=torch.float64, device=parts[0].mean.device)
        means = torch.stack([part.mean for part in parts])
        mean = (counts @ means) / counts.sum()
        between = counts @ (means - mean).square()
        return cls(
            sum(part.count for part in parts), mean, torch.stack([part.deviation for part in parts]).sum(0) + between
        )

    def of_groups(self, groups: int) -> tuple[Tensor, Tensor]:
        """Return mean and biased variance of each channel's group of channels, both (C,) float32."""
        means = self.mean.view(groups, -1)
        mean = means.mean(1, keepdim=True)
        variance = (self.deviation.view(groups, -1) / self.count + (means - mean).square()).mean(1)
        per_group = means.shape[1]
        return mean[:, 0].repeat_interleave(per_group).float(), variance.repeat_interleave(per_group).float()
