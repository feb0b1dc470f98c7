"""Where the brain is, when the user gives no mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.catalogue import ModelCard
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.foreground import head_mask, is_skull_stripped, nonzero_mask


@dataclass(frozen=True)
class BrainMask:
    """A mask `(D, H, W)` on the grid of the channels, and in one word how it was found, for the report."""

    mask: NDArray[np.bool_]
    method: str


def estimate_brain_mask(channels: Mapping[str, Volume], card: ModelCard) -> BrainMask:
    """Find the brain in channels that all lie on one grid turned to patient axes (`Grid.closest_to_lps`).

    An image that was stripped before keeps its own outline; otherwise the whole head is taken.
    """
    reference = channels[card.reference_role]
    if is_skull_stripped(reference):
        return BrainMask(nonzero_mask(reference), "stripped image")
    return BrainMask(head_mask(reference), "head")
