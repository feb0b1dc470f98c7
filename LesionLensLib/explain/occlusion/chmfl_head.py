"""The outcome head of CHMFL when only a part of what enters it changes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from LesionLensLib.explain.occlusion.chmfl_branch import Change, OccludedBranch
from LesionLensLib.explain.occlusion.flattened_level import FlattenedLevel
from LesionLensLib.networks.chmfl import OutcomeHead


class ChangedHead:
    """`head` behind `branches`: its first layer gets differences, the layers behind it run in float64.

    Small differences of the score would be lost in the rounding of float32.
    """

    def __init__(self, head: OutcomeHead, branches: Sequence[OccludedBranch]) -> None:
        first = head.layers[0]
        if not isinstance(first, nn.Linear):
            raise ValueError("the head of CHMFL begins with a linear layer")
        self.tail = copy.deepcopy(head.layers[1:]).double().eval()
        by_level = list(zip(*(branch.levels for branch in branches), strict=True))
        features = [tuple(level.cells.volume(level.values) for level in levels) for levels in by_level]
        self.sums = linear(head.vector(features).double(), first.weight.double(), first.bias.double())
        self.columns: list[Tensor] = []
        self.flattened: list[FlattenedLevel] = []
        for columns in _columns(head, features):
            pooled = columns[:-1] if head.cells else columns
            weights = [_columns_of(first.weight, numbers) for numbers in pooled]
            if head.cells:
                deepest = features[-1][0]
                weights.append(first.weight.new_zeros(len(first.weight), deepest.shape[1]))
                weight = _columns_of(first.weight, columns[-1])
                self.flattened.append(FlattenedLevel(weight, deepest.shape[1], deepest.shape[2:]))
            self.columns.append(torch.cat(weights, 1).detach().T.contiguous())

    def added(self, branch: int, changes: Sequence[tuple[Tensor, Change]], cubes: int) -> Tensor:
        """Return what changes of a branch add to the first layer, (cubes, hidden).

        Each of `changes` comes with the numbers (B,) of its cubes; a cube without a change adds 0.
        """
        columns = self.columns[branch]
        sums = columns.new_zeros(cubes, columns.shape[1])
        for numbers, change in changes:
            sums[numbers] = change.maxima @ columns
        if self.flattened:
            self.flattened[branch].add(sums, [(numbers, change.deepest, change.first) for numbers, change in changes])
        return sums

    def logits(self, added: Tensor) -> Tensor:
        """Return the outcome logits (B, 2), float64, with `added` (B, hidden) to the sums of the first layer."""
        logits: Tensor = self.tail(self.sums + added.double())
        return logits


def _columns(head: OutcomeHead, features: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
    """Return which column of the first layer sees which feature: for every branch, level by level, (values,).

    The head is asked itself: it is given the numbers of its inputs in their place. A level that it does not use has
    the column -1.
    """
    numbers, marked, end = [], [], 0
    for depth, level in enumerate(features):
        flat = bool(head.cells) and depth == len(features) - 1
        sizes = [values.shape[1:] if flat else (values.shape[1], 1, 1, 1) for values in level]
        starts = [end + sum(prod(size) for size in sizes[:number]) for number in range(len(sizes))]
        end = starts[-1] + prod(sizes[-1])
        ranges = [torch.arange(start, start + prod(size)) for start, size in zip(starts, sizes, strict=True)]
        numbers.append(ranges)
        marked.append([each.double().view(1, *size) for each, size in zip(ranges, sizes, strict=True)])
    order = head.vector(marked)[0].long()
    columns = torch.full((end,), -1)
    columns[order] = torch.arange(len(order))
    return [[columns[level[branch]] for level in numbers] for branch in range(len(features[0]))]


def _columns_of(weight: Tensor, numbers: Tensor) -> Tensor:
    """Return those columns of `weight` (hidden, inputs); zeros where the number is -1."""
    numbers = numbers.to(weight.device)
    return weight[:, numbers.clamp(min=0)] * (numbers >= 0)
