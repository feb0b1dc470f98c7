"""Recurrent slice-wise attention rewritten for inference: the same function, fewer projections, no transposed copies.

With q_i = Wq x_i + bq and k_j = Wk x_j + bk, the softmax over j drops every term of q_i . k_j that depends on i alone,
which leaves (Wq' Wk)' x_i . x_j + (Wk' bq) . x_j. One projection therefore replaces two, and in the layout (D, H, W, C)
the products over sagittal, coronal and axial slices are batched matrix products on views.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from LesionLensLib.networks.slice_attention import AXES, SliceAttention


class FastSliceAttention:
    """Evaluates a `SliceAttention` on planes (D, H, W, C); equal to it within 1e-6 of its range in float32.

    Slice maps are always float32, because the logits are unscaled sums over whole slices; data and projections have
    the type of the planes.
    """

    def __init__(self, block: SliceAttention, dtype: torch.dtype = torch.float32) -> None:
        theta, phi, g = block.theta, block.phi, block.g
        if not (isinstance(theta, nn.Conv3d) and isinstance(phi, nn.Conv3d) and isinstance(g, nn.Conv3d)):
            raise ValueError("the rewrite needs the projections; without them call the block itself")
        query, key, value = (layer.weight.detach().double().flatten(1) for layer in (theta, phi, g))
        query_bias, value_bias = theta.bias, g.bias
        if query_bias is None or value_bias is None:
            raise ValueError("the projections of slice attention have a bias")
        self.joint = (query.T @ key).to(dtype)
        self.joint_bias = (key.T @ query_bias.detach().double()).to(dtype)
        self.value = value.T.contiguous().to(dtype)
        self.value_bias = value_bias.detach().to(dtype)
        self.order = tuple(AXES[orientation] for orientation in block.order)
        self.alpha = dict(zip(AXES.values(), block.alpha.detach().double().tolist(), strict=True))
        self.scaled = block.scaled

    def __call__(self, planes: Tensor) -> Tensor:
        """Return the refined planes (D, H, W, C)."""
        for axis in self.order:
            if self.alpha[axis]:
                planes = self._pass(planes, axis)
        return planes

    def _pass(self, planes: Tensor, axis: int) -> Tensor:
        depth, height, width, channels = planes.shape
        slices, batch = {2: (depth, 1), 3: (height, depth), 4: (width, depth * height)}[axis]
        shape = (batch, slices, -1)
        flat = planes.view(-1, channels)
        projected = torch.addmm(self.joint_bias, flat, self.joint).view(shape)
        logits = torch.bmm(projected, planes.view(shape).transpose(1, 2)).float().sum(0)
        if self.scaled:
            logits = logits / (planes.numel() // slices) ** 0.5
        attention = logits.softmax(-1).to(planes.dtype)
        values = torch.addmm(self.value_bias, flat, self.value).view(shape)
        mixed = torch.matmul(attention, values).view(planes.shape)
        return torch.add(planes, mixed, alpha=self.alpha[axis])
