"""MixUp: train on weighted means of two examples and of their losses.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, with one weight for a whole optimiser step as in
Big Transfer's code. Off by default for small cohorts (`big_transfer.mixup_alpha`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class MixedBatch:
    """Images (N, C, D, H, W) that are `share` one example and 1 - `share` another, and the labels (N,) of both."""

    images: Tensor
    labels: Tensor
    partner_labels: Tensor
    share: float

    def cross_entropy(self, logits: Tensor) -> Tensor:
        """Return the mean loss of `logits` (N, classes) in float32, weighted as the images are."""
        own = cross_entropy(logits.float(), self.labels)
        if self.share == 1:
            return own
        return self.share * own + (1 - self.share) * cross_entropy(logits.float(), self.partner_labels)


@dataclass(frozen=True)
class MixUp:
    """Mixes batches with a weight from Beta(`alpha`, `alpha`); `alpha` 0 leaves them as they are.

    The draws of a step depend on `seed` and the step alone, so that a resumed training repeats none and skips none.
    """

    alpha: float
    seed: int = 0

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"alpha is 0 or positive, not {self.alpha}")

    def share(self, step: int) -> float:
        """Return the weight of each example itself in the batch of `step`, between 0 and 1."""
        return float(self._draws(step).beta(self.alpha, self.alpha)) if self.alpha else 1.0

    def mix(self, images: Tensor, labels: Tensor, step: int) -> MixedBatch:
        """Mix `images` (N, C, D, H, W) with a permutation of themselves; `labels` (N,) are class numbers.

        Every channel is mixed, a mask too: it then holds shares instead of 0 and 1.
        """
        if not self.alpha:
            return MixedBatch(images, labels, labels, 1.0)
        draws = self._draws(step)
        share = float(draws.beta(self.alpha, self.alpha))
        partners = torch.from_numpy(draws.permutation(len(images))).to(images.device)
        mixed = torch.lerp(images[partners], images, share)
        return MixedBatch(mixed, labels, labels[partners], share)

    def partners(self, step: int, count: int) -> list[int]:
        """Return which row each of `count` rows is mixed with in the batch of `step`; none where nothing is mixed."""
        if not self.alpha:
            return []
        draws = self._draws(step)
        draws.beta(self.alpha, self.alpha)
        return [int(row) for row in draws.permutation(count)]

    def mix_with(
        self, images: Tensor, labels: Tensor, partners: Tensor, partner_labels: Tensor, step: int
    ) -> MixedBatch:
        """Mix rows `images` (n, C, D, H, W) of the batch of `step` with those that `partners` names."""
        share = self.share(step)
        return MixedBatch(torch.lerp(partners, images, share), labels, partner_labels, share)

    def _draws(self, step: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, step))
