"""The batches of an outcome training: batch n depends on the cases, the recipe and n alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from LesionLensLib.inference.pet_ct_input import network_input
from LesionLensLib.training.outcome.case_order import CaseOrder
from LesionLensLib.training.outcome.moving import middle
from LesionLensLib.training.sarcoma.augmentation import OutcomeAugmentation, augment_case
from LesionLensLib.training.sarcoma.cases import OutcomeCase
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe
from LesionLensLib.training.team import ALONE, Team


class OutcomeBatch(NamedTuple):
    """`images` (N, C, D, H, W) as the network sees them, `outcome` (N,) of 0 and 1, `mask` (N, D, H, W) of 0 and 1."""

    images: Tensor
    outcome: Tensor
    mask: Tensor


class OutcomeBatches(IterableDataset[OutcomeBatch]):
    """Endless numbered batches from `cases`, from number `first` on.

    The order is that of `CaseOrder`. Raises `UserError` where an outcome is missing.
    """

    def __init__(
        self, cases: Sequence[OutcomeCase], recipe: OutcomeRecipe, first: int = 0, team: Team = ALONE
    ) -> None:
        self.cases, self.recipe, self.first, self.team = list(cases), recipe, first, team
        self.order = CaseOrder([case.outcome for case in cases], recipe.balanced, recipe.seed)

    def __iter__(self) -> Iterator[OutcomeBatch]:
        number = self.first
        while True:
            yield self.batch(number)
            number += 1

    def batch(self, number: int) -> OutcomeBatch:
        """Return this process's rows of batch `number`."""
        places = [number * self.recipe.batch + row for row in self.team.rows(self.recipe.batch)]
        pairs = [self._changed(self.cases[self.order.case_at(place)], place) for place in places]
        outcome = torch.tensor([self.cases[self.order.case_at(place)].outcome for place in places])
        return OutcomeBatch(torch.stack([images for images, _ in pairs]), outcome, torch.stack([m for _, m in pairs]))

    def _changed(self, case: OutcomeCase, place: int) -> tuple[Tensor, Tensor]:
        recipe = self.recipe
        shape = recipe.field_of_view.shape
        images, tumour = torch.from_numpy(case.images), torch.from_numpy(case.tumour)
        if recipe.augmentation == OutcomeAugmentation():
            images, tumour = middle(images, shape), middle(tumour, shape)
        else:
            rng = np.random.default_rng((recipe.seed, 1, place))
            images, tumour = augment_case(
                images, tumour, recipe.roles, shape, recipe.spacing_mm, recipe.augmentation, rng
            )
        values = network_input(images.numpy(), recipe.roles, recipe.spacing_mm, recipe.normalization)
        return torch.from_numpy(values), (tumour >= 0.5).long()
