"""Three-dimensional convolutions that take oneDNN's routine on a CPU whatever the size of the image.

`torch.nn.functional.conv3d` sends float32 images whose batch, channels, depth and height multiply to 20480 or less to a
routine without any blocking, which takes ten times as long: in the decoder of CHMFL at 3 mm 25 ms for a layer of
2.5 ms, and on the deeper stages of a ResNet in a box of 48 voxels likewise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from LesionLensLib.inference.planes import has_onednn


class DirectConv3d(nn.Conv3d):
    """A convolution like any other; on a CPU in float32 always by oneDNN, where this torch has it."""

    @classmethod
    def of(cls, conv: nn.Conv3d) -> DirectConv3d:
        """Return one with the very weights of `conv`, not a copy of them."""
        own = cls(
            conv.in_channels, conv.out_channels, _three(conv.kernel_size), _three(conv.stride),
            conv.padding if isinstance(conv.padding, str) else _three(conv.padding), _three(conv.dilation),
            conv.groups, conv.bias is not None, conv.padding_mode, device="meta",
        )  # fmt: skip
        own.weight, own.bias = conv.weight, conv.bias
        return own.train(conv.training)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        direct = input.device.type == "cpu" and input.dtype == weight.dtype == torch.float32 and has_onednn()
        padding = self.padding
        if not direct or self.padding_mode != "zeros" or isinstance(padding, str):
            plain: Tensor = super()._conv_forward(input, weight, bias)
            return plain
        result: Tensor = torch.mkldnn_convolution(input, weight, bias, padding, self.stride, self.dilation, self.groups)
        return result


def _three(sides: tuple[int, ...]) -> tuple[int, int, int]:
    first, second, third = sides
    return first, second, third


def use_direct_convolutions(network: nn.Module) -> None:
    """Let the plain three-dimensional convolutions inside `network` be direct ones, with the same weights."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Conv3d:
                setattr(module, name, DirectConv3d.of(child))


class SplitConv3d(nn.Module):
    """Evaluates a convolution of few outputs, stride 1 and odd sides: the sums of its planes come out side by side.

    A kernel of k planes and C outputs becomes one plane of k C outputs, of which each voxel then adds up k: more of the
    16 outputs that oneDNN computes at once are real ones. From 16 channels to 2 the 5^3 kernel takes 7 ms in place of
    22 at 48 x 40 x 40.
    """

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        outputs, inputs, self.taps, height, width = conv.weight.shape
        weight = conv.weight.detach().permute(2, 0, 1, 3, 4).reshape(self.taps * outputs, inputs, 1, height, width)
        plane = nn.Conv3d(inputs, len(weight), (1, height, width), 1, (0, height // 2, width // 2), bias=False)
        plane.weight = nn.Parameter(weight, requires_grad=False)
        self.plane = DirectConv3d.of(plane)
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, outputs, D, H, W)."""
        sums: Tensor = self.plane(x).permute(0, 2, 3, 4, 1)
        parts = sums.view(*sums.shape[:4], self.taps, -1)
        depth, middle = parts.shape[1], self.taps // 2
        total: Tensor = parts[..., middle, :] + (0.0 if self.bias is None else self.bias)
        for tap in range(self.taps):
            shift = tap - middle
            if shift and abs(shift) < depth:
                here = slice(max(0, -shift), depth - max(0, shift))
                there = slice(max(0, shift), depth - max(0, -shift))
                total[:, here] += parts[:, there, ..., tap, :]
        return total.permute(0, 4, 1, 2, 3)


class DoublingProduct(nn.Module):
    """Evaluates a transposed convolution of 2 x 2 x 2 and stride 2 as one product a voxel, 8 results each.

    It takes 0.8 ms in place of 2.7 from 32 channels at 24 x 20 x 20.
    """

    def __init__(self, conv: nn.ConvTranspose3d) -> None:
        super().__init__()
        weight = conv.weight.detach().permute(2, 3, 4, 1, 0).flatten(0, 3)
        product = nn.Conv3d(conv.in_channels, len(weight), 1, bias=conv.bias is not None)
        product.weight = nn.Parameter(weight[..., None, None, None].contiguous(), requires_grad=False)
        if conv.bias is not None:
            product.bias = nn.Parameter(conv.bias.detach().repeat(8), requires_grad=False)
        self.product = DirectConv3d.of(product)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, outputs, 2 D, 2 H, 2 W)."""
        batch, _, depth, height, width = x.shape
        products: Tensor = self.product(x).permute(0, 2, 3, 4, 1)
        corners = products.view(*products.shape[:4], 2, 2, 2, -1)
        placed = corners.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(batch, 2 * depth, 2 * height, 2 * width, -1)
        return placed.permute(0, 4, 1, 2, 3)
