"""VGG-style 3D network that puts out numbers, the kind of network SMOCAM was made for.

Konate et al., "SMOCAM: Smooth Conditional Attention Mask for 3D-Regression Models", ISBI 2021 (poster): a VGG-style
network, T1-weighted MRI in, 165 measures of the brain out, trained by the mean squared error; SMOCAM tells where each
of them comes from. The poster gives neither depth nor widths; these blocks are those of VGG (Simonyan and Zisserman,
ICLR 2015) in three dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

LEAK = 0.1


class Vgg3d(nn.Module):
    """Regression of volumes: `(N, in_channels, D, H, W)` -> `(N, out_channels)` in the unit of the targets.

    Each block is two 3 x 3 x 3 convolutions, each with batch norm and ReLU, and a max pooling that halves the grid;
    what is left is flattened, so that the layers behind it know left from right, and goes through two fully connected
    layers. Between them stands a leaky ReLU: all that is flattened is positive, and of plain ReLUs most were soon shut
    for good. The norm is batch norm: at rest it is a scaling that can be folded into its convolution, and a voxel then
    changes its neighbourhood alone, which is what an exact incremental occlusion needs. Group norm is global: every
    voxel would change every feature.

    `field` is the only size (D, H, W) of the input in voxels. The output counts in `unit` of the target's unit (10 ml)
    inside, since weights near 1 learn best. With `adds_up` the first output is the sum of the others, not a number of
    its own: a total that is not left plus right would be an answer that nobody can use.
    Raises `ValueError` for sizes that the blocks do not halve evenly.
    """

    def __init__(
        self,
        in_channels: int = 2,
        out_channels: int = 3,
        widths: Sequence[int] = (8, 16, 32),
        hidden: int = 32,
        field: Sequence[int] = (48, 64, 48),
        unit: float = 10.0,
        adds_up: bool = True,
    ) -> None:
        super().__init__()
        _check(out_channels, widths, hidden, field, unit, adds_up)
        self.field, self.unit, self.adds_up = tuple(field), float(unit), adds_up
        ends = zip((in_channels, *widths), widths, strict=False)
        self.stages = nn.ModuleList(_block(before, width) for before, width in ends)
        voxels = 1
        for side in field:
            voxels *= side >> len(widths)
        self.hidden = nn.Linear(widths[-1] * voxels, hidden)
        self.relu = nn.LeakyReLU(LEAK)
        self.output = nn.Linear(hidden, out_channels - 1 if adds_up else out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (N, out_channels) of images `x` (N, in_channels, *field), normalised per card."""
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Return what is flattened, (N, widths[-1], D / 2^blocks, ...)."""
        for block in self.stages:
            x = block(x)
        return x

    def head(self, features: Tensor) -> Tensor:
        """Return the outputs (N, out_channels) from the features of the last block."""
        # In the channels-last layout flatten copies into (C, D, H, W) order, so that weights mean the same in both.
        hidden = self.relu(self.hidden(features.flatten(1)))
        numbers: Tensor = self.unit * self.output(hidden)
        return torch.cat([numbers.sum(1, keepdim=True), numbers], 1) if self.adds_up else numbers

    def blocks(self) -> Iterator[nn.Sequential]:
        """Yield the convolution blocks in the order of the pass; each ends with its pooling."""
        for stage in self.stages:
            if isinstance(stage, nn.Sequential):
                yield stage


def _block(in_channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, width):
        convolution = nn.Conv3d(channels, width, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_in", nonlinearity="relu")
        layers += [convolution, nn.BatchNorm3d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool3d(2))


def _check(
    out_channels: int, widths: Sequence[int], hidden: int, field: Sequence[int], unit: float, adds_up: bool
) -> None:
    if not widths or min(*widths, hidden, out_channels) < 1 or (adds_up and out_channels < 3):
        raise ValueError(f"no network has widths {widths}, {hidden} hidden and {out_channels} outputs")
    if len(field) != 3 or any(side < 1 or side % 2 ** len(widths) for side in field):
        raise ValueError(f"field must be three multiples of {2 ** len(widths)}, not {tuple(field)}")
    if not unit > 0:
        raise ValueError(f"unit must be above 0, not {unit}")
