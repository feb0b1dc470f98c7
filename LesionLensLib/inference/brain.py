"""Where the brain is, when the user gives no mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.brain_network import find_brain
from LesionLensLib.inference.foreground import head_mask, is_skull_stripped, nonzero_mask
from LesionLensLib.inputs.findings import Finding
from LesionLensLib.model_card import ModelCard

WHOLE_HEAD = "head"


@dataclass(frozen=True)
class BrainMask:
    """A mask `(D, H, W)` on the grid of the channels, and in one word how it was found, for the report."""

    mask: NDArray[np.bool_]
    method: str


def estimate_brain_mask(
    channels: Mapping[str, Volume], card: ModelCard, weights: Mapping[str, torch.Tensor]
) -> BrainMask:
    """Find the brain in channels that all lie on one grid turned to patient axes (`Grid.closest_to_lps`).

    An image that was stripped before keeps its own outline; else the model's small brain network decides; a model
    without one takes the whole head.
    """
    reference = channels[card.reference_role]
    if is_skull_stripped(reference):
        return BrainMask(nonzero_mask(reference), "stripped image")
    if weights:
        return BrainMask(
            find_brain({role: channels[role] for role in card.roles}, card.reference_role, weights), "network"
        )
    return BrainMask(head_mask(reference), WHOLE_HEAD)


def brain_findings(brain: BrainMask, card: ModelCard) -> tuple[Finding, ...]:
    """Return the warning that the whole head stands in for the brain, where it does."""
    if brain.method != WHOLE_HEAD:
        return ()
    text = f"{card.id} cannot find the brain by itself and no mask was given, so the whole head was searched."
    return (Finding("warning", "whole-head", text, "Give a brain mask."),)
