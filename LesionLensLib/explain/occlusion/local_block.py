"""A residual block of which a cube changes a part."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import conv3d, pad

from LesionLensLib.explain.occlusion.changed_map import ConvolvedMap, Patch, RectifiedMap
from LesionLensLib.explain.occlusion.cubes import Triple
from LesionLensLib.networks.resnet3d import ConvNorm, ResidualBlock


class LocalBlock:
    """`block`, its norms part of its convolutions, and what it makes of `features`, up to its attention."""

    def __init__(self, block: ResidualBlock, features: Tensor) -> None:
        self.shortcut = block.shortcut.conv.weight.detach() if isinstance(block.shortcut, ConvNorm) else None
        self.first = ConvolvedMap(block.first.conv, features)
        self.inner = RectifiedMap(self.first.sums)
        self.second = ConvolvedMap(block.second.conv, self.inner.values)
        self.outer = RectifiedMap(self.second.sums + block.shortcut(features))
        self.values = self.outer.values

    def change(self, patch: Patch) -> Patch:
        """Return what changes in the output of the block, before its attention."""
        within = self.first.added(patch)
        added = self.second.added(self.inner.change(within))
        margins = (within.first - added.first)[0].tolist()
        d, h, w = (slice(margin, margin + count) for margin, count in zip(margins, within.counts, strict=True))
        added.changed[:, :, d, h, w] += self._past(patch, within.counts)
        return self.outer.change(added)

    def _past(self, patch: Patch, counts: Triple) -> Tensor:
        """Return what reaches the output by the shortcut, at the cells that the first convolution reaches."""
        stride, centre = self.first.kernel.stride, self.first.kernel.padding
        around = pad(patch.changed, self.first.kernel.reached(patch.first, patch.counts).margins)
        d, h, w = (slice(centre, centre + stride * (count - 1) + 1, stride) for count in counts)
        seen = around[:, :, d, h, w]
        return seen if self.shortcut is None else conv3d(seen, self.shortcut)
