"""The batches of a brain training: batch n depends on the cases, the recipe and n alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from LesionLensLib.training.local_failure.augmentation import LesionAugmentation, augment_lesion
from LesionLensLib.training.local_failure.cases import LesionCase
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
from LesionLensLib.training.outcome.case_order import CaseOrder


class LesionBatch(NamedTuple):
    """`images` (N, C, D, H, W), the outline last, and `outcomes` (N,) of 0 and 1."""

    images: Tensor
    outcomes: Tensor


class LesionBatches:
    """Numbered batches from `cases`; raises `UserError` where an outcome is missing."""

    def __init__(self, cases: Sequence[LesionCase], recipe: LocalFailureRecipe) -> None:
        self.cases, self.recipe = list(cases), recipe
        self.order = CaseOrder([case.outcome for case in cases], recipe.balanced, recipe.seed)

    def batch(self, number: int, rows: Iterable[int] | None = None) -> LesionBatch:
        """Return batch `number`, or the given rows of it."""
        size = self.recipe.batch
        places = [number * size + row for row in (range(size) if rows is None else rows)]
        chosen = [self.cases[self.order.case_at(place)] for place in places]
        images = [self._example(case, place) for case, place in zip(chosen, places, strict=True)]
        return LesionBatch(torch.stack(images), torch.tensor([case.outcome for case in chosen]))

    def _example(self, case: LesionCase, place: int) -> Tensor:
        """Return one example (C, D, H, W); the outline is all 0 where it is dropped."""
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, 1, place))
        shows_outline = rng.random() >= recipe.outline_dropout
        box = case.view() if recipe.augmentation == LesionAugmentation() else case.box
        images = torch.from_numpy(box.images)
        outline = torch.from_numpy(np.asarray(box.lesion, dtype=np.float32))
        if recipe.augmentation != LesionAugmentation():
            shape = recipe.field_of_view.shape
            images, outline = augment_lesion(images, outline, shape, recipe.spacing_mm, recipe.augmentation, rng)
        return torch.cat([images, (outline if shows_outline else torch.zeros_like(outline))[None]])
