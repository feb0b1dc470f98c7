"""What trained networks say about one patient of a training, and how well they outline the tumour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.outcome_pass import TUMOUR_THRESHOLD, OutcomeAnswer, ask_networks, feature_vectors
from LesionLensLib.inference.pet_ct_input import describe_pet_ct, network_input
from LesionLensLib.metrics import dice
from LesionLensLib.outcome.case_description import CaseDescription
from LesionLensLib.training.outcome.moving import middle
from LesionLensLib.training.sarcoma.cases import OutcomeCase
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe


@dataclass(frozen=True)
class TumourDice:
    """Dice inside the field of view, and of the whole tumour: what lies outside of the field of view was missed."""

    inside: float
    whole: float


def case_input(case: OutcomeCase, recipe: OutcomeRecipe) -> Tensor:
    """Return the batch of one (1, C, D, H, W) that a network sees of the unchanged case."""
    images = middle(torch.from_numpy(case.images), recipe.field_of_view.shape).numpy()
    values = network_input(images, case.roles, recipe.spacing_mm, recipe.normalization)
    return torch.from_numpy(values)[None]


def describe_training_case(
    case: OutcomeCase, recipe: OutcomeRecipe, networks: Sequence[nn.Module], device: torch.device
) -> CaseDescription:
    """Return what typicality compares of the unchanged case, with the features that `networks` make of it."""
    images, tumour = (
        middle(torch.from_numpy(values), recipe.field_of_view.shape).numpy() for values in (case.images, case.tumour)
    )
    features = feature_vectors(networks, case_input(case, recipe).to(device))
    return describe_pet_ct(images, case.roles, tumour, view_grid(case, recipe), case.truth.grid, features)


def predict_case(
    networks: Sequence[nn.Module], case: OutcomeCase, recipe: OutcomeRecipe, device: torch.device
) -> OutcomeAnswer:
    """Return the mean over `networks`, put into evaluation mode, and the recipe's `views`; logits are averaged."""
    return ask_networks(networks, case_input(case, recipe).to(device), recipe.views)


def tumour_dice(case: OutcomeCase, tumour: NDArray[np.float32], recipe: OutcomeRecipe) -> TumourDice:
    """Compare the probability (D, H, W) with the contour on the image's own grid, whatever the network's spacing."""
    volume = Volume(tumour, view_grid(case, recipe))
    found = (resample(volume, case.truth.grid, "linear").array >= TUMOUR_THRESHOLD) & case.seen
    truth = case.truth.array != 0
    return TumourDice(_dice(found, truth & case.seen), _dice(found, truth))


def view_grid(case: OutcomeCase, recipe: OutcomeRecipe) -> Grid:
    """Return the grid of the field of view in the middle of the wider box of `case`."""
    size = recipe.field_of_view.size
    lower = [(have - want) // 2 for have, want in zip(case.grid.size, size, strict=True)]
    return case.grid.cropped(lower, size)


def _dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    counts = [(found & truth).sum(), (found & ~truth).sum(), (~found & truth).sum()]
    return dice(np.array(counts, dtype=np.float64))
