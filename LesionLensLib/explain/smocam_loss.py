"""The three terms that SMOCAM minimises: the answer stays, the mask is small, the mask is smooth.

Konate et al., "Smooth conditional attention masks", ISBI 2021 (poster):
L(M) = |f_M(x) - f(x)| / sigma + lambda |1 - ||M||_2| + gamma / 2 (||dx M||_1 + ||dy M||_1 + ||dz M||_1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SMOOTHNESS_VOXELS = 216
SMOOTHNESS_RANGE = (1e-4, 1e-2)


@dataclass(frozen=True, eq=False)
class LossTerms:
    """The terms with their weights: `data` in standard deviations of the output, `budget`, `smoothness`."""

    data: Tensor
    budget: Tensor
    smoothness: Tensor

    @property
    def total(self) -> Tensor:
        """The loss."""
        return self.data + self.budget + self.smoothness

    def to_dict(self) -> dict[str, float]:
        """Return the terms by name as plain numbers."""
        return {name: float(getattr(self, name).detach()) for name in ("data", "budget", "smoothness")}


@dataclass(frozen=True)
class SmocamLoss:
    """`sigma` is the standard deviation of the output, `budget` the norm a mask should have (the poster's is 1).

    The weights are lambda and gamma of the poster, which gives no values.
    """

    sigma: float
    budget: float
    budget_weight: float
    smoothness_weight: float

    def terms(self, mask: Tensor, moved: Tensor) -> LossTerms:
        """Return the terms of a `mask` (d, h, w) that moves the output by `moved`."""
        budget = self.budget_weight * (self.budget - torch.linalg.vector_norm(mask)).abs()
        return LossTerms(moved.abs() / self.sigma, budget, self.smoothness_weight * smoothness(mask))


def smoothness(mask: Tensor) -> Tensor:
    """Return half the sum of the absolute differences between neighbours of `mask` (d, h, w), without wrap-around."""
    differences = [mask.diff(dim=axis).abs().sum() for axis in range(3)]
    return 0.5 * torch.stack(differences).sum()


def default_smoothness_weight(voxels: int) -> float:
    """Return gamma for a mask of so many voxels.

    The smoothness is a sum, so its weight must fall as the grid grows: on a synthetic network 1e-2 was right for a mask
    of 6 x 6 x 6 and flattened one of 12 x 12 x 12.
    """
    lowest, highest = SMOOTHNESS_RANGE
    return min(highest, max(lowest, highest * SMOOTHNESS_VOXELS / voxels))
