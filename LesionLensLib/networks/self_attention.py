"""Self-attention between all voxels of a feature volume, after each residual block of the attention ResNet.

Jalalifar et al., "A self-attention-guided 3D deep residual network with Big Transfer to predict local failure in brain
metastasis after radiotherapy using multi-channel MRI", IEEE JTEHM 2022, supplementary: with q, k and v from 1 x 1 x 1
convolutions, a_ij = exp(q_i . k_j) / sum over i of exp(q_i . k_j), o_j = sum over i of a_ij v_i, output = Wo o_j + bo.
Source voxels i are weighed for each target voxel j, so that columns sum to 1; there is no division by sqrt(C).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from LesionLensLib.networks.non_local import as_tokens


def as_volume(tokens: Tensor, like: Tensor) -> Tensor:
    """View `tokens` (N, 1, voxels, C) as a volume (N, C, D, H, W) of the size of `like`."""
    return tokens[:, 0].transpose(1, 2).view(like.shape)


class SelfAttention(nn.Module):
    """Self-attention `(N, C, D, H, W)` -> the same shape; the voxels x voxels map is never stored.

    The 1 x 1 x 1 convolutions are linear layers over voxels laid out as tokens: the same function, and queries, keys
    and values come out contiguous, without which torch silently stores the map. With `residual` the result is
    x + gain * attention with a learnable `gain` that starts at 0, so that a new block is the identity and pre-trained
    weights keep their function; without it the result is the attention alone, the published formula taken literally.
    `reduction` divides the channels of q, k and v; `scaled` divides the logits by the square root of those channels.
    """

    gain: nn.Parameter | None

    def __init__(self, channels: int, reduction: int = 1, residual: bool = True, scaled: bool = False) -> None:
        super().__init__()
        if reduction < 1 or channels % reduction:
            raise ValueError(f"reduction must divide the {channels} channels, not be {reduction}")
        inner = channels // reduction
        self.query = nn.Linear(channels, inner)
        self.key = nn.Linear(channels, inner)
        self.value = nn.Linear(channels, inner)
        self.output = nn.Linear(inner, channels)
        self.register_parameter("gain", nn.Parameter(torch.zeros(())) if residual else None)
        self.scale = inner**-0.5 if scaled else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features, computed in the type of the weights and without autocast.

        The logits are unscaled sums over the channels: their rounding in bfloat16 would change the weights visibly.
        """
        with torch.autocast(x.device.type, enabled=False):
            tokens = as_tokens(x.to(self.query.weight.dtype))
            # The roles are exchanged on purpose: the softmax runs over the sources i, which carry the q of the paper.
            mixed = scaled_dot_product_attention(
                self.key(tokens), self.query(tokens), self.value(tokens), scale=self.scale
            )
            attended = as_volume(self.output(mixed), x).to(x.dtype)
        return attended if self.gain is None else torch.addcmul(x, self.gain.to(x.dtype), attended)

    def maps_of(self, x: Tensor, targets: Tensor) -> Tensor:
        """Return what each target voxel attends to: (N, Q, D, H, W), non-negative, each map sums to 1.

        `x` (N, C, D, H, W) is the input of this block; `targets` (Q, 3) are integer voxel indices (d, h, w) in it.
        Memory grows with Q times the number of voxels. Raises `ValueError` for a target outside the volume.
        """
        size = torch.tensor(x.shape[2:], device=targets.device)
        if bool((targets < 0).any()) or bool((targets >= size).any()):
            raise ValueError(f"a target lies outside of the feature volume of {tuple(x.shape[2:])} voxels")
        depth, height, width = targets.unbind(1)
        positions = (depth * x.shape[3] + height) * x.shape[4] + width
        with torch.autocast(x.device.type, enabled=False):
            tokens = as_tokens(x.to(self.query.weight.dtype))[:, 0]
            keys = self.key(tokens[:, positions.to(x.device)])
            logits = keys @ self.query(tokens).transpose(1, 2) * self.scale
            maps: Tensor = logits.float().softmax(-1).view(*logits.shape[:2], *x.shape[2:])
            return maps
