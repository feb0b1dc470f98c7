"""The part of space a network looks at: patient axes, the card's spacing, the brain and a margin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.model_card import ModelCard

MARGIN_MM = 8.0


def whole_network_grid(reference: Grid, card: ModelCard) -> Grid:
    """Return the grid over all of the reference image, turned to patient axes, with the network's spacing."""
    return reference.closest_to_lps().with_spacing(card.spacing_mm)


def brain_box(mask: NDArray[np.bool_], grid: Grid) -> tuple[Grid, tuple[slice, slice, slice]]:
    """Return the sub-grid around `mask` `(D, H, W)` with a margin, and the array slices that cut it out of `grid`."""
    margin = np.ceil(MARGIN_MM / np.array(grid.spacing_mm[::-1])).astype(int)
    lower, upper = [], []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        inside = np.flatnonzero(mask.any(axis=others))
        lower.append(max(int(inside[0]) - int(margin[axis]), 0))
        upper.append(min(int(inside[-1]) + int(margin[axis]) + 1, grid.shape[axis]))
    size = [high - low for low, high in zip(lower, upper, strict=True)]
    part = (slice(lower[0], upper[0]), slice(lower[1], upper[1]), slice(lower[2], upper[2]))
    return grid.cropped(lower[::-1], size[::-1]), part


def given_brain_mask(mask: Volume, grid: Grid) -> NDArray[np.bool_]:
    """Return the user's mask on `grid`, nearest neighbour; raises `UserError` where nothing of it lies there."""
    inside: NDArray[np.bool_] = resample(mask, grid, "nearest").array != 0
    if not inside.any():
        raise UserError(
            "The brain mask lies nowhere on the reference image.",
            "Give a mask drawn on the reference image, or check its header.",
        )
    return inside
