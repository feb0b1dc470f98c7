"""The network while it learns: beside the loads of the sides, its features tell the load of each cell of their grid.

Two numbers a head are too little to learn what a lesion is: after 200 steps without the cells, the network explained
nothing of loads that it could not see in the mean. The cells are read by 1 x 1 x 1 convolutions that are not exported.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from LesionLensLib.networks.vgg3d import Vgg3d

NETWORK_PREFIX = "network."
LEAST_SPREAD = 1e-3
"""The share of lesion by which cells differ at least: a batch of healed brains has nothing to scale by."""


class LoadLearner(nn.Module):
    """`network` and a reader of cells behind each of `blocks`; raises `ValueError` for a block that it has not."""

    def __init__(self, network: Vgg3d, blocks: Sequence[int]) -> None:
        super().__init__()
        widths = [convolution.out_channels for convolution in map(_first, network.blocks())]
        if not all(0 <= block < len(widths) for block in blocks):
            raise ValueError(f"cells are read behind blocks 0 to {len(widths) - 1}, not {tuple(blocks)}")
        self.network, self.read_blocks = network, tuple(blocks)
        self.readers = nn.ModuleList(nn.Conv3d(widths[block], 1, 1) for block in blocks)
        for parameter in self.readers.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the loads (N, 3) of images `x` (N, C, D, H, W), and of each block the cells (N, 1, d, h, w)."""
        behind = []
        for block in self.network.blocks():
            x = block(x)
            behind.append(x)
        cells = [reader(behind[block]) for reader, block in zip(self.readers, self.read_blocks, strict=True)]
        return self.network.head(x), cells

    def weights(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the part of a `state` of this module that is the network's."""
        return {
            name.removeprefix(NETWORK_PREFIX): value for name, value in state.items() if name.startswith(NETWORK_PREFIX)
        }


def load_loss(said: Tensor, loads: Tensor, unit: float) -> Tensor:
    """Return the mean squared error of loads (N, 3), counted in the network's `unit` of ml."""
    return ((said - loads) / unit).square().mean()


def cell_loss(cells: Tensor, shares: Tensor) -> Tensor:
    """Return the mean squared error of the mean share of lesion in each cell (N, 1, d, h, w), in its own spread.

    `shares` (N, D, H, W) is on the grid of the image. A reader that says the same of all cells has about 1.
    """
    size = tuple(wide // narrow for wide, narrow in zip(shares.shape[1:], cells.shape[2:], strict=True))
    truth = functional.avg_pool3d(shares[:, None], size)
    spread = truth.std().clamp(min=LEAST_SPREAD)
    return (cells - truth / spread).square().mean()


def _first(block: nn.Sequential) -> nn.Conv3d:
    convolution = block[0]
    if not isinstance(convolution, nn.Conv3d):
        raise ValueError("a block begins with a convolution")
    return convolution
