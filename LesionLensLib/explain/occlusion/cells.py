"""A feature map as a table of cells with a border around it, of which many patches are taken at once.

What a cube changes reaches over the border of the volume. There the table holds a value that nothing can raise and
that the activation turns into the same number always, so that no patch needs to know where it lies.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from LesionLensLib.explain.occlusion.cubes import Triple

Slices = tuple[slice, slice, slice]
BEYOND = float("-inf")
"""Before the activation, beyond the border: no difference moves it, ELU makes -1 of it, its lowest, and ReLU 0."""


class Cells:
    """Where the cells of maps of `shape` (D, H, W) lie in tables (rows, C), which have one more cell on every side."""

    def __init__(self, shape: Sequence[int], device: torch.device) -> None:
        self.shape: Triple = (shape[0], shape[1], shape[2])
        self.padded = tuple(side + 2 for side in self.shape)
        self._ends = torch.tensor(self.shape, device=device)[:, None]

    def table(self, features: Tensor, border: float = BEYOND) -> Tensor:
        """Return `features` (1, C, D, H, W) as a table, its border filled with `border`."""
        last = features[0].permute(1, 2, 3, 0)
        return pad(last, (0, 0, 1, 1, 1, 1, 1, 1), value=border).flatten(0, 2)

    def volume(self, table: Tensor) -> Tensor:
        """View a table as features (1, C, D, H, W) in channels-last layout, without its border."""
        inner = table.view(*self.padded, -1)[1:-1, 1:-1, 1:-1]
        return inner.permute(3, 0, 1, 2)[None]

    def rows(self, first: Tensor, counts: Triple) -> Tensor:
        """Return the rows (B * cells,) of patches of `counts` cells at `first` (B, 3); any cell beyond is a border."""
        numbers = first[:, :, None] + torch.arange(max(counts), device=first.device)
        depth, height, width = (numbers.clamp(min=-1).minimum(self._ends).int() + 1).unbind(1)
        planes = depth[:, : counts[0], None] * self.padded[1] + height[:, None, : counts[1]]
        return (planes[..., None] * self.padded[2] + width[:, None, None, : counts[2]]).flatten()

    def patches(self, tables: Sequence[Tensor], first: Tensor, counts: Triple) -> list[Tensor]:
        """Return patches (B, C, *counts) of each table from `first` (B, 3) on, in channels-last layout."""
        rows = self.rows(first, counts)
        found = (table.index_select(0, rows).view(len(first), *counts, -1) for table in tables)
        return [cells.permute(0, 4, 1, 2, 3) for cells in found]


def clipped(first: Sequence[int], counts: Sequence[int], shape: Sequence[int]) -> tuple[Slices, Slices]:
    """Return the part of a patch of `counts` cells that lies within `shape`: where there, and where in the patch."""
    ends = [(max(low, 0), min(low + count, side)) for low, count, side in zip(first, counts, shape, strict=True)]
    inside = [slice(start, end) for start, end in ends]
    within = [slice(start - low, end - low) for (start, end), low in zip(ends, first, strict=True)]
    return (inside[0], inside[1], inside[2]), (within[0], within[1], within[2])
