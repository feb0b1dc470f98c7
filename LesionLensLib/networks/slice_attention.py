"""Recurrent slice-wise attention (RSA): attention between the slices of a volume, along three axes in turn.

Zhang et al., "RSANet: Recurrent Slice-wise Attention Network for Multiple Sclerosis Lesion Segmentation", MICCAI 2019,
section 2 (equations 1 and 2). A map has one row per slice, so its size is D^2 + H^2 + W^2 and never (D H W)^2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

AXES = {"sagittal": 4, "coronal": 3, "axial": 2}
"""Dimension of (N, C, D, H, W) that counts the slices of each orientation: W left-right, H front-back, D head-feet."""

ORDERS = {"paper": ("sagittal", "coronal", "axial"), "code": ("coronal", "sagittal", "axial")}
"""The order of the three passes in the paper's text, and in the authors' repository."""


def as_slices(x: Tensor, axis: int) -> Tensor:
    """View `x` (N, C, D, H, W) as (N, slices, features) along dimension `axis`."""
    return x.movedim(axis, 1).flatten(2)


class SliceAttention(nn.Module):
    """Three slice attentions, each on the result of the one before, with shared projections and an own `alpha`.

    `alpha` holds one scalar per orientation (sagittal, coronal, axial, whatever the order of the passes) and starts at
    0, so that a new block is the identity. With `projections=False` the formula of the paper is taken literally,
    without the 1 x 1 x 1 convolutions theta, phi and g. `scaled=True` divides the logits by the square root of the
    features of a slice; neither the paper nor its code does.
    """

    def __init__(self, channels: int, order: str = "paper", projections: bool = True, scaled: bool = False) -> None:
        super().__init__()
        if order not in ORDERS:
            raise ValueError(f"order must be one of {sorted(ORDERS)}, not {order!r}")
        self.order = ORDERS[order]
        self.scaled = scaled
        self.theta: nn.Module = nn.Conv3d(channels, channels, 1) if projections else nn.Identity()
        self.phi: nn.Module = nn.Conv3d(channels, channels, 1) if projections else nn.Identity()
        self.g: nn.Module = nn.Conv3d(channels, channels, 1) if projections else nn.Identity()
        self.alpha = nn.Parameter(torch.zeros(len(AXES)))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (N, C, D, H, W) refined by the three passes; the work is done in float32 whatever its type.

        The logits are unscaled sums over a whole slice (hundreds in size): in bfloat16 their rounding alone would
        reorder the rows, hence no autocast in here.
        """
        with torch.autocast(x.device.type, enabled=False):
            refined = x.float()
            for orientation in self.order:
                refined = self._pass(refined, orientation)
            return refined.to(x.dtype)

    def maps_of(self, x: Tensor) -> dict[str, Tensor]:
        """Return the map (N, slices, slices) of every pass over `x` (N, C, D, H, W), in the order of the passes.

        Row s says what slice s takes from the others. A pass whose `alpha` is near 0 changes little, whatever its map.
        """
        maps = {}
        with torch.autocast(x.device.type, enabled=False):
            refined = x.float()
            for orientation in self.order:
                maps[orientation] = self.attention_map(refined, orientation)
                refined = self._pass(refined, orientation)
        return maps

    def attention_map(self, x: Tensor, orientation: str) -> Tensor:
        """Return the row-stochastic map (N, slices, slices) of one pass over `x` (N, C, D, H, W)."""
        axis = AXES[orientation]
        query, key = as_slices(self.theta(x), axis), as_slices(self.phi(x), axis)
        logits = query @ key.transpose(1, 2)
        if self.scaled:
            logits = logits / math.sqrt(query.shape[2])
        return logits.softmax(-1)

    def _pass(self, x: Tensor, orientation: str) -> Tensor:
        """One attention along one orientation: alpha * A g(x) + x (equation 2)."""
        axis = AXES[orientation]
        value = self.g(x).movedim(axis, 1)
        mixed = (self.attention_map(x, orientation) @ value.flatten(2)).view(value.shape)
        return torch.addcmul(x, self.alpha[list(AXES).index(orientation)], mixed.movedim(1, axis))
