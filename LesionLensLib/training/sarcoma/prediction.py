"""What trained networks say about one patient, averaged over networks and mirrored copies, and how they outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, resample
from LesionLensLib.inference.pet_ct_input import network_input
from LesionLensLib.metrics import dice
from LesionLensLib.training.sarcoma.augmentation import middle
from LesionLensLib.training.sarcoma.cases import OutcomeCase
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe

# The plain view first, then mirrored along the axes of (N, C, D, H, W), across the limb before along it.
MIRRORS: tuple[tuple[int, ...], ...] = ((), (4,), (3,), (3, 4), (2,), (2, 4), (2, 3), (2, 3, 4))
TUMOUR_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class CasePrediction:
    """The mean logit of the event, and the tumour's probability (D, H, W) on the field of view where there is one."""

    logit: float
    tumour: NDArray[np.float32] | None

    @property
    def probability(self) -> float:
        """The probability of the event, before any calibration."""
        return float(1 / (1 + np.exp(-self.logit)))


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


@torch.inference_mode()
def predict_case(
    networks: Sequence[nn.Module], case: OutcomeCase, recipe: OutcomeRecipe, device: torch.device
) -> CasePrediction:
    """Return the mean over `networks`, put into evaluation mode, and the recipe's `views`; logits are averaged."""
    x = case_input(case, recipe).to(device)
    logits, maps = [], []
    for network in networks:
        network.eval()
        for mirror in MIRRORS[: recipe.views]:
            output = network(x.flip(mirror))
            outcome = output.outcome.double()[0]
            logits.append(float(outcome[1] - outcome[0]))
            if output.mask is not None:
                maps.append(output.mask.float().softmax(1)[:, 1:].flip(mirror)[0, 0])
    tumour = torch.stack(maps).mean(0).cpu().numpy() if maps else None
    return CasePrediction(float(np.mean(logits)), tumour)


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
