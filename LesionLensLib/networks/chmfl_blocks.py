"""The parts of CHMFL: the encoder branch of one modality and the residual fusion of its decoder.

Peng et al., "Predicting Distant Metastases in Soft-Tissue Sarcomas from PET-CT scans using Constrained Hierarchical
Multi-Modality Feature Learning", arXiv 2104.11416, sections II.C and II.D and Table SI. The form is that of V-Net
(Milletari et al., 3DV 2016). In the shapes below D is missing where a network is two-dimensional.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd, sqrt

import torch
from torch import Tensor, nn

from LesionLensLib.networks.group_norm import ExactGroupNorm

CONVOLUTIONS: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
BATCH_NORMS: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
GROUP_NORM = re.compile(r"gn-([cg])([1-9][0-9]*)")


@dataclass(frozen=True)
class Layers:
    """Makes the layers of one network: two- or three-dimensional, with one kind of normalisation.

    `norm` is "batch" (the paper's), "gn-cN" for groups of N channels each (the paper's GN_c4, GN_c8 and GN_c16, "we
    set GN channels as 4, 8 and 16") or "gn-gN" for N groups, the other reading of those names. Where N does not divide
    the channels, as for the two of the output transition, their greatest common divisor takes its place.

    Batch normalisation has the channels-last fault of `group_norm` too while it trains on a CPU: errors of the output
    measured there are 9e-5 at 48 x 48 x 48 voxels and 3e-3 at 144 x 112 x 112, against 5e-7 in the contiguous layout,
    which is therefore the one to train large grids in. Evaluation takes no statistics and is not touched by it.
    """

    dims: int = 3
    norm: str = "batch"

    def __post_init__(self) -> None:
        if self.dims not in CONVOLUTIONS:
            raise ValueError(f"dims must be 2 or 3, not {self.dims}")
        if self.norm != "batch" and not GROUP_NORM.fullmatch(self.norm):
            raise ValueError(f"norm must be 'batch', 'gn-cN' or 'gn-gN' with a number N, not {self.norm!r}")

    def convolution(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Module:
        """Return a convolution with bias; with stride 1 it keeps the size, with stride = kernel it does not pad."""
        padding = kernel // 2 if stride == 1 else 0
        return CONVOLUTIONS[self.dims](in_channels, out_channels, kernel, stride, padding)

    def normalization(self, channels: int) -> nn.Module:
        """Return the normalisation of `channels` feature maps."""
        match = GROUP_NORM.fullmatch(self.norm)
        if match is None:
            return BATCH_NORMS[self.dims](channels)
        shared = gcd(int(match[2]), channels)
        return ExactGroupNorm(channels // shared if match[1] == "c" else shared, channels)

    def block(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
        """Return convolution, normalisation, ELU: one row of Table SI."""
        convolution = self.convolution(in_channels, out_channels, kernel, stride)
        return nn.Sequential(convolution, self.normalization(out_channels), nn.ELU(inplace=True))

    def upsampling(self, in_channels: int, out_channels: int) -> nn.Sequential:
        """Return the transposed convolution that doubles every side, normalisation, ELU."""
        convolution = TRANSPOSED[self.dims](in_channels, out_channels, 2, 2)
        return nn.Sequential(convolution, self.normalization(out_channels), nn.ELU(inplace=True))


class Branch(nn.Module):
    """Encoder of one modality: a 5 x 5 x 5 input transition, then a 2 x 2 x 2 convolution of stride 2 per level."""

    def __init__(self, layers: Layers, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        down = (layers.block(wide, wider, 2, 2) for wide, wider in pairwise(widths))
        self.levels = nn.ModuleList([layers.block(in_channels, widths[0], 5), *down])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of each level l of `x` (N, in_channels, D, H, W): (N, widths[l], D / 2^l, ...)."""
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


@dataclass(frozen=True)
class Fusion:
    """How the decoder digests a concatenation; the paper says "several convolutional layers and non-linearities".

    `convolutions` counts them per decoder level, the deepest first; a decoder of fewer levels takes the last of them.
    `projected` first brings the concatenation back to the width Table SI prints for that level.
    """

    kernel: int = 3
    convolutions: tuple[int, ...] = (2, 2, 2, 2)
    projected: bool = False


FUSIONS = {
    "residual": Fusion(),
    "vnet": Fusion(5, (2, 2, 1, 1)),
    "vnet-light": Fusion(5, (1, 1, 1, 1)),
    "projected": Fusion(projected=True),
}
"""Named choices; "vnet" follows V-Net's own kernels and counts, "residual" is what LesionLens takes."""


class ResidualFusion(nn.Module):
    """ELU(operations(z) + z), the residual learning of section II.C on the concatenation z, in V-Net's order."""

    def __init__(self, layers: Layers, channels: int, width: int, fusion: Fusion, convolutions: int) -> None:
        super().__init__()
        inner = width if fusion.projected else channels
        self.projection = layers.block(channels, width, 1) if fusion.projected else nn.Identity()
        self.operations = nn.Sequential(*(layers.block(inner, inner, fusion.kernel) for _ in range(convolutions)))
        self.elu = nn.ELU(inplace=True)
        self.out_channels = inner

    def forward(self, z: Tensor) -> Tensor:
        """(N, channels, D, H, W) -> (N, out_channels, D, H, W)."""
        z = self.projection(z)
        fused: Tensor = self.elu(self.operations(z) + z)
        return fused


class Decoder(nn.Module):
    """The constrained feature learning (CFL) module: from the encoder's features to the two voxel logits.

    `widths` are those of one branch, shallowest first, `branches` their number.
    """

    def __init__(self, layers: Layers, widths: Sequence[int], branches: int, fusion: Fusion) -> None:
        super().__init__()
        self.up, self.fusions = nn.ModuleList(), nn.ModuleList()
        channels = widths[-1] * branches
        for index in reversed(range(len(widths) - 1)):
            width, convolutions = widths[index], fusion.convolutions[-1 - index]
            self.up.append(layers.upsampling(channels, width))
            block = ResidualFusion(layers, width * (1 + branches), width, fusion, convolutions)
            self.fusions.append(block)
            channels = block.out_channels
        self.output = nn.Sequential(layers.block(channels, 2, 5), layers.convolution(2, 2, 1))

    def forward(self, features: Sequence[Sequence[Tensor]]) -> Tensor:
        """Return logits (N, 2, D, H, W); `features` holds, shallowest level first, the map of every branch."""
        x = torch.cat(list(features[-1]), 1)
        for up, fusion, skips in zip(self.up, self.fusions, reversed(features[:-1]), strict=True):
            x = fusion(torch.cat([up(x), *skips], 1))
        logits: Tensor = self.output(x)
        return logits


def initialize(module: nn.Module) -> None:
    """Draw the weights as He et al. (ICCV 2015) do, with biases 0; for `nn.Module.apply`.

    A transposed convolution whose stride is its kernel adds up one product per input channel and output voxel, which
    is what counts there; torch's fan of such a layer is the other way round.
    """
    if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.normal_(module.weight, 0.0, sqrt(2 / module.in_channels))
    elif isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
