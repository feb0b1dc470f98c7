"""Convolution with standardised weights, the companion of group normalisation in Big Transfer.

Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", 2019; the constant and
the biased variance are those of Big Transfer (Kolesnikov et al., ECCV 2020, and its public code).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPSILON = 1e-10


def standardized(weight: Tensor) -> Tensor:
    """Return `weight` (out, in, d, h, w) with mean 0 and variance 1 in each output filter, in its own type.

    The variance is the biased one over (in, d, h, w), taken in float32.
    """
    wide = weight.float()
    variance, mean = torch.var_mean(wide, dim=tuple(range(1, wide.dim())), keepdim=True, correction=0)
    result: Tensor = ((wide - mean) * torch.rsqrt(variance + EPSILON)).to(weight.dtype)
    return result


class StandardizedConv3d(nn.Conv3d):
    """`nn.Conv3d` that convolves with its standardised weight; same parameters and names.

    Scaling a filter by a positive number, or adding a constant to it, changes nothing.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, D, H, W) -> (N, out_channels, D', H', W'), sizes as for `nn.Conv3d`."""
        convolved: Tensor = self._conv_forward(input, standardized(self.weight), self.bias)
        return convolved
