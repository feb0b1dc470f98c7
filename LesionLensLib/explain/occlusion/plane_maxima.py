"""The maximum of a feature map outside a box, exactly, from the maxima of its planes."""

from __future__ import annotations

import torch
from torch import Tensor

from LesionLensLib.explain.occlusion.cubes import Triple


class PlaneMaxima:
    """Maxima of `features` (1, C, D, H, W) over all planes before, and from, each position along each axis.

    What lies outside a box lies before or behind it along some axis: six look-ups give the maximum of all of it.
    """

    def __init__(self, features: Tensor) -> None:
        before, behind = [], []
        for planes in _planes(features[0].permute(1, 2, 3, 0)):
            nothing = planes.new_full((1, planes.shape[1]), float("-inf"))
            before.append(torch.cat([nothing, planes.cummax(0).values]))
            behind.append(torch.cat([planes.flip(0).cummax(0).values.flip(0), nothing]))
        self.highest = before[0][-1]
        self._before, self._behind = torch.cat(before), torch.cat(behind)
        self._ends = torch.tensor(features.shape[2:], device=features.device)
        self._tables = torch.tensor([0, *(len(each) for each in before[:2])], device=features.device).cumsum(0)

    def outside(self, first: Tensor, counts: Triple) -> Tensor:
        """Return the maxima (B, C) outside of boxes of `counts` cells at `first` (B, 3); -inf where nothing is."""
        low = first.clamp(min=0).minimum(self._ends) + self._tables
        high = (first + torch.tensor(counts, device=first.device)).clamp(min=0).minimum(self._ends) + self._tables
        around = torch.maximum(self._before[low], self._behind[high])
        return torch.maximum(torch.maximum(around[:, 0], around[:, 1]), around[:, 2])


def _planes(cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the maxima of the planes of `cells` (D, H, W, C): (D, C), (H, C) and (W, C).

    Only the two slow axes of the whole map are reduced: over the last two, torch is ten times slower.
    """
    over_depth, over_height = cells.amax(0), cells.amax(1)
    return over_height.amax(1), over_depth.amax(1), over_depth.amax(0)


def highest_of(patches: Tensor) -> Tensor:
    """Return the maxima (B, C) of `patches` (B, C, D', H', W') in channels-last layout.

    One axis after another, the slowest first: in one step torch needs six times as long for them.
    """
    return patches.permute(0, 2, 3, 4, 1).amax(1).amax(1).amax(1)
