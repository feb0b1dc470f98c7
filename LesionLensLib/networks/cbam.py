"""Convolutional block attention module (CBAM): a gate for each channel, then a gate for each voxel.

Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, section 3, carried over to volumes as in the
supplementary of Jalalifar et al., IEEE JTEHM 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelGate(nn.Module):
    """A number between 0 and 1 for each channel: sigmoid(MLP(average) + MLP(maximum)), one MLP for both."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        if reduction < 1 or channels % reduction:
            raise ValueError(f"reduction must divide the {channels} channels, not be {reduction}")
        hidden = channels // reduction
        self.perceptron = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, C, 1, 1, 1)."""
        logits = self.perceptron(x.mean((2, 3, 4))) + self.perceptron(x.amax((2, 3, 4)))
        return torch.sigmoid(logits)[..., None, None, None]


class SpatialGate(nn.Module):
    """A number between 0 and 1 for each voxel: sigmoid(convolution of [mean over C; maximum over C])."""

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, 1, D, H, W)."""
        return torch.sigmoid(self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)))


class Cbam(nn.Module):
    """Both gates in turn, each multiplied onto the features: `(N, C, D, H, W)` -> the same shape."""

    def __init__(self, channels: int, reduction: int = 16, kernel: int = 7) -> None:
        super().__init__()
        self.channel_gate = ChannelGate(channels, reduction)
        self.spatial_gate = SpatialGate(kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gated features."""
        x = x * self.channel_gate(x)
        gated: Tensor = x * self.spatial_gate(x)
        return gated

    def spatial_map(self, x: Tensor) -> Tensor:
        """Return the gate of each voxel, (N, 1, D, H, W) in (0, 1), for the features `x` that enter the module."""
        gate: Tensor = self.spatial_gate(x * self.channel_gate(x))
        return gate
