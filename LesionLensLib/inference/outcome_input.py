"""Which way the images of a case go to the networks of an outcome model: one function per kind of input.

The card's `normalization` names the way. A new kind of model adds its function to `INPUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.brain_lesion_input import NORMALIZATIONS as BRAIN_NORMALIZATIONS
from LesionLensLib.inference.brain_lesion_input import describe_lesion, lesion_box, lesion_view, score_brain
from LesionLensLib.inference.brain_lesion_input import network_input as lesion_channels
from LesionLensLib.inference.case import Case
from LesionLensLib.inference.field_of_view import FieldOfView, sample_box
from LesionLensLib.inference.foreground import head_mask, is_skull_stripped, nonzero_mask
from LesionLensLib.inference.lesion_target import Target
from LesionLensLib.inference.outcome_network import outcome_of
from LesionLensLib.inference.pet_ct_input import (
    FILLS,
    LESION,
    NORMALIZATIONS,
    describe_pet_ct,
    network_input,
    sample_pet_ct,
)
from LesionLensLib.model_card import ModelCard
from LesionLensLib.networks.chmfl_variants import VARIANTS, side_multiple
from LesionLensLib.outcome.case_description import CaseDescription


@dataclass(frozen=True, eq=False)
class OutcomeInput:
    """What the networks get of one lesion, `values` (C, D, H, W) on `grid`, and what typicality compares of it.

    `described` has no features yet: those come from the networks.
    """

    values: NDArray[np.float32]
    grid: Grid
    described: CaseDescription


CaseInput = Callable[[Target], OutcomeInput]
"""A case made ready once, asked for each of its lesions."""
Preparer = Callable[[Case, ModelCard], CaseInput]


def prepare_pet_ct(case: Case, card: ModelCard) -> CaseInput:
    """Return how PET and CT, each sampled once by its matrix, come onto the card's field of view around a lesion."""
    reference, view = case.volumes[card.reference_role].grid, _field_of_view(card)

    def around(target: Target) -> OutcomeInput:
        grid = view.grid(reference, target.center_ras)
        tumour = None if target.mask is None else sample_box(target.mask, grid, FILLS[LESION]).array
        images = sample_pet_ct(case.volumes, tumour, card.roles, grid, case.transforms)
        values = network_input(images, card.roles, card.spacing_mm[0], card.normalization)
        return OutcomeInput(values, grid, describe_pet_ct(images, card.roles, tumour, grid, reference))

    return around


def prepare_brain_lesion(case: Case, card: ModelCard) -> CaseInput:
    """Return how T1c, FLAIR and the lesion's outline come into a box around a lesion, as z-scores of the brain.

    The brain is the mask of the case, else what is left of a stripped reference image, else all that is bright in it.
    It is normalised once, whatever the number of lesions: nearly all of the time goes there.
    """
    view = lesion_view(outcome_of(card).field_mm, _cube_mm(card))
    roles = tuple(role for role in card.roles if role != LESION)
    brain = case.brain_mask or brain_of(case.volumes[card.reference_role])
    scores = score_brain(
        case.volumes, roles, card.reference_role, brain, view.spacing_mm, card.normalization, case.transforms
    )

    def around(target: Target) -> OutcomeInput:
        box = lesion_box(scores, view, target.mask, target.center_ras)
        return OutcomeInput(lesion_channels(box.images, box.lesion), box.grid, describe_lesion(box))

    return around


INPUTS: Mapping[str, Preparer] = MappingProxyType(
    {
        **dict.fromkeys(NORMALIZATIONS, prepare_pet_ct),
        **dict.fromkeys(BRAIN_NORMALIZATIONS, prepare_brain_lesion),
    }
)
"""By the name of the normalisation in a model card."""


def preparer_of(card: ModelCard) -> Preparer:
    """Return the way for the card's `normalization`; raises `UserError` where there is none of that name."""
    if card.normalization not in INPUTS:
        raise UserError(
            f"The model card of {card.id} names an unknown normalization: {card.normalization}.",
            f"Known for outcome models: {', '.join(INPUTS)}.",
        )
    return INPUTS[card.normalization]


def _field_of_view(card: ModelCard) -> FieldOfView:
    options = {name: value for name, value in card.network.items() if name != "name"}
    if card.network["name"] != "chmfl" or options.get("variant", "chmfl") not in VARIANTS:
        raise UserError(
            f"The normalization {card.normalization} is not for the network of {card.id}.", "Correct card.json."
        )
    return FieldOfView(outcome_of(card).field_mm, _cube_mm(card), side_multiple(**options))


def _cube_mm(card: ModelCard) -> float:
    """Return the side of the network's voxels; raises `UserError` where they are not cubes."""
    if len(set(card.spacing_mm)) != 1:
        raise UserError(f"The voxels of {card.id} are not cubes.", "Correct spacing_mm in card.json.")
    return card.spacing_mm[0]


def brain_of(reference: Volume) -> Volume:
    """Return the mask (uint8) of the brain in an image that comes without one: what is left of a stripped image,
    else all that is bright."""
    mask = nonzero_mask(reference) if is_skull_stripped(reference) else head_mask(reference)
    return reference.with_array(mask.astype(np.uint8))
