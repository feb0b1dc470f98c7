"""CHMFL: probability of metastasis and outline of the tumour from PET and CT.

Peng et al., "Predicting Distant Metastases in Soft-Tissue Sarcomas from PET-CT scans using Constrained Hierarchical
Multi-Modality Feature Learning", arXiv 2104.11416, section II and Table SI. What the paper leaves open is an option
here, and the default is named in the docstring of `CHMFL`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import gcd, prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from LesionLensLib.networks.chmfl_blocks import FUSIONS, Branch, Decoder, Layers, initialize
from LesionLensLib.networks.chmfl_checks import AXES, check_sides, checked_branches, times

OUTCOMES = 2
LEVELS = range(2, 6)
ROWS_TOGETHER = 64


class ChmflOutput(NamedTuple):
    """Logits: `outcome` (N, 2), no metastasis and metastasis; `mask` (N, 2, D, H, W), other and tumour, or None."""

    outcome: Tensor
    mask: Tensor | None


def highest(features: Tensor) -> Tensor:
    """Return the maximum of every channel (N, C) of `features` (N, C, D, H, W), here also without D.

    Channels that lie side by side in memory are taken many voxels at a time: torch alone needs 4 ms in place of 0.2 for
    16 of them at 48 x 40 x 40.
    """
    if features.is_contiguous() or features.requires_grad:
        return features.flatten(2).amax(2)
    count, channels = features.shape[:2]
    rows = features.movedim(1, -1).flatten(1, -2)
    together = gcd(rows.shape[1], ROWS_TOGETHER)
    return rows.reshape(count, -1, together * channels).amax(1).view(count, together, channels).amax(1)


class OutcomeHead(nn.Module):
    """Hierarchical multi-modality feature learning (HMFL): pooled features of the levels, then fully connected layers.

    With `hierarchical` every level is pooled to one number per channel, else the deepest only. `cells` > 0 flattens
    the deepest level, of that many voxels, instead of pooling it. ReLU and dropout follow all layers but the last.
    """

    def __init__(
        self, channels: Sequence[int], hidden: Sequence[int], dropout: float, hierarchical: bool, cells: int
    ) -> None:
        super().__init__()
        self.hierarchical, self.cells = hierarchical, cells
        shallow = sum(channels[:-1]) if hierarchical else 0
        sizes = [shallow + channels[-1] * max(cells, 1), *hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], OUTCOMES))

    def vector(self, features: Sequence[Sequence[Tensor]]) -> Tensor:
        """Return the fused vector (N, length): level by level, shallowest first, and within one branch by branch."""
        deepest = torch.cat([each.flatten(1) if self.cells else highest(each) for each in features[-1]], 1)
        if not self.hierarchical:
            return deepest
        return torch.cat([*(highest(each) for level in features[:-1] for each in level), deepest], 1)

    def forward(self, features: Sequence[Sequence[Tensor]]) -> Tensor:
        """Return outcome logits (N, 2); `features` holds, shallowest level first, the map of every branch."""
        logits: Tensor = self.layers(self.vector(features))
        return logits


class CHMFL(nn.Module):
    """PET and CT `(N, 2, D, H, W)` -> outcome logits `(N, 2)` and tumour logits `(N, 2, D, H, W)`.

    Axes are D = axial slices (k), H (j), W (i): the paper's 112 x 112 x 144 mm are (144, 112, 112). Every side must be
    a multiple of 2^(levels - 1), 16 for the paper's five levels. Channels stand in the order of the model card.

    `branches` names the input channels of each encoder: ((0,), (1,)) is PET and CT, ((0, 2), (1, 2)) gives each the
    tumour mask as well, ((0,),) is one modality alone. `shared_branches` lets all encoders have the same weights; their
    batch statistics are then mixed. `hierarchical` pools all levels (HMFL), else the deepest only. `decoder` builds the
    CFL module. `flatten5` takes equation 4 literally: the deepest level is flattened, not pooled, which ties the
    network to the grid given here, (D, H, W) voxels. `fusion` is one of `FUSIONS`, `norm` is that of `Layers`.
    `dims` 2 is the two-dimensional network, (N, C, H, W). Fewer `levels` and another `base_width` suit coarser grids.
    Raises `ValueError` for a description or an input that does not fit.
    """

    def __init__(
        self,
        branches: Sequence[Sequence[int]] = ((0,), (1,)),
        shared_branches: bool = False,
        hierarchical: bool = True,
        decoder: bool = True,
        flatten5: Sequence[int] | None = None,
        fusion: str = "residual",
        norm: str = "batch",
        dims: int = 3,
        base_width: int = 16,
        levels: int = 5,
        hidden: Sequence[int] = (512, 128),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        layers = Layers(dims, norm)
        self.dims = dims
        self.inputs = checked_branches(branches, shared_branches)
        self.in_channels = len({channel for inputs in self.inputs for channel in inputs})
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {sorted(FUSIONS)}, not {fusion!r}")
        if levels not in LEVELS:
            raise ValueError(f"levels must be {LEVELS.start} to {LEVELS.stop - 1}, not {levels}")
        self.multiple = 2 ** (levels - 1)
        self.grid = None if flatten5 is None else tuple(flatten5)
        if self.grid is not None:
            check_sides(self.grid, self.dims, self.multiple)
        cells = 0 if self.grid is None else prod(side // self.multiple for side in self.grid)
        widths = [base_width * 2**level for level in range(levels)]
        encoders = self.inputs[:1] if shared_branches else self.inputs
        self.branches = nn.ModuleList(Branch(layers, len(inputs), widths) for inputs in encoders)
        channels = [width * len(self.inputs) for width in widths]
        self.head = OutcomeHead(channels, hidden, dropout, hierarchical, cells)
        self.decoder = Decoder(layers, widths, len(self.inputs), FUSIONS[fusion]) if decoder else None
        self.batch_norm = norm == "batch"
        self.apply(initialize)

    def encode(self, x: Tensor) -> list[tuple[Tensor, ...]]:
        """Return, shallowest level first, the map of every branch: (N, width, D / 2^l, H / 2^l, W / 2^l)."""
        self.check_input(x)
        encoders = list(self.branches) * (len(self.inputs) if len(self.branches) == 1 else 1)
        maps = [encoder(x[:, list(inputs)]) for encoder, inputs in zip(encoders, self.inputs, strict=True)]
        return list(zip(*maps, strict=True))

    def forward(self, x: Tensor) -> ChmflOutput:
        """Return both logits of the images `x` (N, C, D, H, W), normalised per card."""
        features = self.encode(x)
        return ChmflOutput(self.head(features), None if self.decoder is None else self.decoder(features))

    def outcome_logits(self, x: Tensor) -> Tensor:
        """Return the outcome logits (N, 2) alone: `forward(x).outcome` without the cost of the decoder."""
        logits: Tensor = self.head(self.encode(x))
        return logits

    def check_input(self, x: Tensor) -> None:
        """Raise `ValueError` where `x` is no batch of this network, saying what would be."""
        if x.dim() != self.dims + 2 or x.shape[1] != self.in_channels:
            wanted = f"(N, {self.in_channels}, {AXES[self.dims].replace(' x ', ', ')})"
            raise ValueError(f"CHMFL takes images {wanted}, not {tuple(x.shape)}")
        size = tuple(x.shape[2:])
        check_sides(size, self.dims, self.multiple)
        if self.grid is not None and size != self.grid:
            raise ValueError(
                f"CHMFL with a flattened deepest level was built for {times(self.grid)} voxels and takes no other grid "
                f"({AXES[self.dims]}); got {times(size)}"
            )
        if self.training and self.batch_norm and x.shape[0] * prod(size) == self.multiple**self.dims:
            raise ValueError(
                "CHMFL cannot train with batch normalisation on a single image whose deepest level is a single voxel "
                f"({times(size)}): give more images at once or a larger grid"
            )
