"""The deepest level of CHMFL where the head sees each of its cells by weights of their own (equation 4 literally)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from LesionLensLib.explain.occlusion.cells import Cells


class FlattenedLevel:
    """`weight` (hidden, channels * cells) of the first layer for one branch's deepest level of `shape` (D, H, W)."""

    def __init__(self, weight: Tensor, channels: int, shape: Sequence[int]) -> None:
        by_cell = weight.detach().view(len(weight), channels, prod(shape))
        self.weights = by_cell.permute(2, 1, 0).contiguous()
        self.cells = Cells(shape, weight.device)
        numbers = torch.arange(prod(shape), device=weight.device).view(1, 1, *shape)
        self.numbers = self.cells.table(numbers, border=-1)[:, 0]

    def add(self, sums: Tensor, changes: Sequence[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Add to `sums` (cubes, hidden) what changed features of the deepest level give.

        Each change is the numbers of its cubes (B,), the differences (B, C, *cells) and the first cell (B, 3). Cubes
        that change the same cell share one product, since the weights are by far the most that is read.
        """
        cubes, cells, rows = [], [], []
        for numbers, differences, first in changes:
            counts = (differences.shape[2], differences.shape[3], differences.shape[4])
            cell = self.numbers[self.cells.rows(first, counts)]
            inside = cell >= 0
            cells.append(cell[inside])
            cubes.append(numbers.repeat_interleave(prod(counts))[inside])
            rows.append(differences.permute(0, 2, 3, 4, 1).flatten(0, 3)[inside])
        if not cells:
            return
        cell, order = torch.cat(cells).sort()
        cube, row = torch.cat(cubes)[order], torch.cat(rows)[order]
        present, counted = torch.unique_consecutive(cell, return_counts=True)
        end = 0
        for number, count in zip(present.tolist(), counted.tolist(), strict=True):
            part = slice(end, end + count)
            sums.index_add_(0, cube[part], row[part] @ self.weights[number])
            end += count
