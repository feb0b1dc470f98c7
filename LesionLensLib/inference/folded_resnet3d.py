"""The attention ResNet rewritten for inference: the same function with fewer operations.

* Batch norm at rest is a scaling and a shift of each channel: it moves into the convolution before it.
* Standardised weights do not change at rest: they are computed once and an ordinary convolution takes them.
* Self-attention: the softmax over the sources i drops the part of (Wq x_i + bq) . (Wk x_j + bk) that has no i, which
  leaves x_i . (Wq' Wk x_j + Wq' bk); and since its weights sum to 1, value and output projection can follow the mixing
  as one. Two projections and three token arrays take the place of four and four.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.nn.utils.fusion import fuse_conv_bn_eval

from LesionLensLib.inference.direct_conv3d import use_direct_convolutions
from LesionLensLib.networks.non_local import as_tokens
from LesionLensLib.networks.resnet3d import ConvNorm, ResNet3d
from LesionLensLib.networks.self_attention import SelfAttention, as_volume
from LesionLensLib.networks.weight_standardization import StandardizedConv3d, standardized


class FoldedSelfAttention(nn.Module):
    """Evaluates a `SelfAttention` whose q, k and v have all channels; equal to it but for rounding."""

    probe: Tensor
    probe_bias: Tensor
    mixing: Tensor
    mixing_bias: Tensor

    def __init__(self, block: SelfAttention) -> None:
        super().__init__()
        layers = (block.query, block.key, block.value, block.output)
        query, key, value, output = (layer.weight.detach().double() for layer in layers)
        key_bias, value_bias, output_bias = (layer.bias.detach().double() for layer in layers[1:])
        gain = 1.0 if block.gain is None else block.gain.detach().double()
        self.residual = block.gain is not None
        folded = {
            "probe": block.scale * query.T @ key,
            "probe_bias": block.scale * query.T @ key_bias,
            "mixing": gain * (output @ value),
            "mixing_bias": gain * (output @ value_bias + output_bias),
        }
        for name, tensor in folded.items():
            self.register_buffer(name, tensor.to(block.query.weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features (N, C, D, H, W)."""
        with torch.autocast(x.device.type, enabled=False):
            tokens = as_tokens(x.to(self.probe.dtype))
            mixed = scaled_dot_product_attention(linear(tokens, self.probe, self.probe_bias), tokens, tokens, scale=1.0)
            attended = as_volume(linear(mixed, self.mixing, self.mixing_bias), x).to(x.dtype)
        return x + attended if self.residual else attended


def fold(network: ResNet3d) -> ResNet3d:
    """Return a copy of `network` for inference: folded, in evaluation mode, in the channels-last memory layout.

    `network` itself is left as it is; attention maps are asked of it, not of the copy. `.bfloat16()` on the copy gives
    the fast form for processors with units for that type: images go in and logits come out in it, and the logits of
    the attention are then rounded too.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(folded.modules()):
        if isinstance(module, ConvNorm):
            _fold_norm(module)
    for block in folded.blocks():
        attention = block.attention
        if isinstance(attention, SelfAttention) and attention.query.in_features == attention.query.out_features:
            block.attention = FoldedSelfAttention(attention)
    use_direct_convolutions(folded)
    return folded.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


def _fold_norm(layer: ConvNorm) -> None:
    conv = layer.conv
    if isinstance(conv, StandardizedConv3d):
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        layer.conv = nn.Conv3d(conv.in_channels, conv.out_channels, kernel, stride, kernel // 2, bias=False)
        layer.conv.weight = nn.Parameter(standardized(conv.weight.detach()), requires_grad=False)
    if isinstance(layer.norm, nn.BatchNorm3d):
        layer.conv = fuse_conv_bn_eval(layer.conv, layer.norm)
        layer.norm = nn.Identity()
