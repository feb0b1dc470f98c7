"""The parts of the 3D U-Net that carries RSANet (Zhang et al., MICCAI 2019, and the authors' repository)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from LesionLensLib.networks.group_norm import ExactGroupNorm

GROUPS = 8


class ConvNormRelu(nn.Module):
    """3 x 3 x 3 convolution without bias, GroupNorm with 8 groups, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm = ExactGroupNorm(GROUPS, out_channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, D, H, W) -> (N, out_channels, D, H, W)."""
        activated: Tensor = self.relu(self.norm(self.conv(x)))
        return activated


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return two `ConvNormRelu` in a row; the first changes the number of channels."""
    return nn.Sequential(ConvNormRelu(in_channels, out_channels), ConvNormRelu(out_channels, out_channels))


def downsample(channels: int) -> nn.Conv3d:
    """Return the 3 x 3 x 3 convolution of stride 2 between two levels: no bias, no norm; size S becomes ceil(S / 2)."""
    return nn.Conv3d(channels, channels, 3, stride=2, padding=1, bias=False)


def match_size(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Bring the last three dimensions of `x` to `size` by padding, or for a negative difference cropping, the low side.

    Twice ceil(S / 2) is S + 1 for an odd S, so after the doubling one plane too many is dropped at the low side, as in
    the authors' code.
    """
    low = [wanted - present for wanted, present in zip(size, x.shape[2:], strict=True)]
    if not any(low):
        return x
    return pad(x, (low[2], 0, low[1], 0, low[0], 0))


class Upsample(nn.Module):
    """1 x 1 x 1 convolution that halves the channels, then nearest-neighbour doubling, fitted to the skip's size."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor, size: tuple[int, ...]) -> Tensor:
        """(N, in_channels, d, h, w) -> (N, out_channels, *size) with size = (D, H, W)."""
        return match_size(interpolate(self.conv(x), scale_factor=2, mode="nearest"), size)
