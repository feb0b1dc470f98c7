"""Names and kernels of public ResNet checkpoints, brought to those of `ResNet3d`.

Two layouts are known: the video ResNet-18 of torchvision ("stem.0", "layer1.0.conv1.0"), and that of the 2D ResNets of
torchvision, which 3D-ResNets-PyTorch and MedicalNet use for volumes ("conv1", "layer1.0.conv1", "layer1.0.bn1").
Attention and names of our own pass unchanged.
"""

from __future__ import annotations

import re

from torch import Tensor
from torch.nn.functional import pad

from LesionLensLib.errors import UserError

_OUTER = {
    "stem.0": "stem.conv",
    "stem.1": "stem.norm",
    "conv1": "stem.conv",
    "bn1": "stem.norm",
    "fc": "classifier",
}
_BLOCK = {
    "conv1.0": "first.conv",
    "conv1.1": "first.norm",
    "conv2.0": "second.conv",
    "conv2.1": "second.norm",
    "conv1": "first.conv",
    "bn1": "first.norm",
    "conv2": "second.conv",
    "bn2": "second.norm",
    "downsample.0": "shortcut.conv",
    "downsample.1": "shortcut.norm",
}


def own_name(name: str) -> str:
    """Return the name that `ResNet3d` gives to the tensor called `name` in a public checkpoint."""
    name = name.removeprefix("module.")
    part, _, leaf = name.rpartition(".")
    inside = re.fullmatch(r"layer([1-4])\.(\d+)\.(.+)", part)
    if inside:
        return f"stages.{int(inside[1]) - 1}.{inside[2]}.{_BLOCK.get(inside[3], inside[3])}.{leaf}"
    return f"{_OUTER.get(part, part)}.{leaf}"


def fit_kernel(weight: Tensor, kernel: tuple[int, ...]) -> Tensor:
    """Return `weight` (out, in, [d,] h, w) as (out, in, *kernel).

    A 2D kernel is repeated along the depth and divided by it, so that it answers a volume that is constant along the
    depth as before (inflation: Carreira and Zisserman, CVPR 2017). A smaller 3D kernel gets a border of zeros, which
    leaves the convolution as it is. Raises `UserError` for a kernel that is larger, or not centred in the wanted one.
    """
    if weight.dim() == 4:
        weight = weight.unsqueeze(2).expand(-1, -1, kernel[0], -1, -1) / kernel[0]
    surplus = [wanted - present for wanted, present in zip(kernel, weight.shape[2:], strict=True)]
    if any(number < 0 or number % 2 for number in surplus):
        present = " x ".join(map(str, weight.shape[2:]))
        raise UserError(
            f"A kernel of {present} cannot become one of {' x '.join(map(str, kernel))}.",
            "Use a checkpoint of a ResNet whose kernels are no larger.",
        )
    margins = [number // 2 for number in reversed(surplus) for _ in range(2)]
    return pad(weight, margins).contiguous()


def average_channels(weight: Tensor, in_channels: int) -> Tensor:
    """Return the stem `weight` (out, c, ...) for `in_channels`: the mean over c, repeated, times c / `in_channels`.

    An image that is equal in all channels is answered as before.
    """
    mean = weight.mean(1, keepdim=True) * (weight.shape[1] / in_channels)
    return mean.expand(-1, in_channels, *weight.shape[2:]).contiguous()
