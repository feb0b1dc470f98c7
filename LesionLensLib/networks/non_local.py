"""Non-local block (embedded Gaussian), the comparison the RSANet paper calls NCL.

Wang et al., "Non-local Neural Networks", CVPR 2018, sections 3.2 and 3.3: C / 2 inner channels, output convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


def as_tokens(x: Tensor) -> Tensor:
    """Lay `x` (N, C, D, H, W) out as (N, 1, voxels, C), contiguous.

    With a strided last axis torch silently takes its slow path, which stores the voxels x voxels map.
    """
    return x.flatten(2).transpose(1, 2).contiguous().unsqueeze(1)


class NonLocalBlock(nn.Module):
    """Self-attention between all voxels, added to its input; the voxels x voxels map is never stored.

    The output convolution starts at zero, so that a new block is the identity (section 4.1 of the paper).
    """

    def __init__(self, channels: int, inner_channels: int | None = None) -> None:
        super().__init__()
        inner = inner_channels or channels // 2
        self.theta = nn.Conv3d(channels, inner, 1)
        self.phi = nn.Conv3d(channels, inner, 1)
        self.g = nn.Conv3d(channels, inner, 1)
        self.output = nn.Conv3d(inner, channels, 1)
        nn.init.zeros_(self.output.weight)
        if self.output.bias is not None:
            nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (N, C, D, H, W) plus its attention, computed in float32 because the logits are not scaled."""
        with torch.autocast(x.device.type, enabled=False):
            wide = x.float()
            query, key, value = (as_tokens(layer(wide)) for layer in (self.theta, self.phi, self.g))
            mixed = scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0]
            volume = mixed.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:])
            refined: Tensor = wide + self.output(volume)
            return refined.to(x.dtype)
