"""What a layer does to the grid of its input: the size and the place of its output, worked out without running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from LesionLensLib.explain.layers.placement import Placement, Triple
from LesionLensLib.networks.group_norm import ExactGroupNorm

POINTWISE = (
    *(nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.PReLU, nn.Sigmoid, nn.Tanh, nn.Softplus),
    *(nn.BatchNorm3d, nn.GroupNorm, nn.InstanceNorm3d, ExactGroupNorm, nn.Dropout, nn.Dropout3d),
)


WHOLE_IMAGE = Placement()


class UnknownPlace(Exception):
    """Behind this layer nobody knows where in the image a feature lies."""


@dataclass(frozen=True)
class Spot:
    """The size of a feature map and where it lies in the image."""

    size: Triple
    placement: Placement = WHOLE_IMAGE

    def after(self, kernel: int | Triple, stride: int | Triple, padding: int | Triple, ceil: bool = False) -> Spot:
        """Return the spot behind a window of `kernel` voxels; raises `UnknownPlace` where it does not fit."""
        window, step, pad = _triple(kernel), _triple(stride), _triple(padding)
        d, h, w = (
            (n + 2 * p - k + (s - 1 if ceil else 0)) // s + 1
            for n, k, s, p in zip(self.size, window, step, pad, strict=True)
        )
        if min(d, h, w) < 1:
            raise UnknownPlace(f"a window of {window} voxels does not fit into {self.size}")
        return Spot((d, h, w), self.placement.after(window, step, pad))

    def behind(self, layer: nn.Module) -> Spot:
        """Return the spot behind `layer`; raises `UnknownPlace` for one that does not keep a grid, or is unknown."""
        if isinstance(layer, nn.Sequential):
            spot = self
            for part in layer:
                spot = spot.behind(part)
            return spot
        if isinstance(layer, POINTWISE):
            return self
        if isinstance(layer, nn.Conv3d) and isinstance(layer.padding, tuple):
            kernel = _dilated(_triple(layer.kernel_size), _triple(layer.dilation))
            return self.after(kernel, _triple(layer.stride), _triple(layer.padding))
        if isinstance(layer, nn.MaxPool3d) and not layer.return_indices:
            kernel = _dilated(_triple(layer.kernel_size), _triple(layer.dilation))
            return self.after(kernel, _triple(layer.stride), _triple(layer.padding), layer.ceil_mode)
        if isinstance(layer, nn.AvgPool3d):
            kernel, stride = _triple(layer.kernel_size), _triple(layer.stride)
            return self.after(kernel, stride, _triple(layer.padding), layer.ceil_mode)
        raise UnknownPlace(f"{type(layer).__name__} is no layer on a grid")


def overwrites_input(layer: nn.Module) -> bool:
    """Tell whether the first thing that `layer` does is to write into what it is given."""
    if isinstance(layer, nn.Sequential):
        return len(layer) > 0 and overwrites_input(layer[0])
    return bool(getattr(layer, "inplace", False))


def _triple(value: Any) -> Triple:
    if isinstance(value, int):
        return value, value, value
    depth, height, width = value
    return int(depth), int(height), int(width)


def _dilated(kernel: Triple, dilation: Triple) -> Triple:
    depth, height, width = ((side - 1) * step + 1 for side, step in zip(kernel, dilation, strict=True))
    return depth, height, width
