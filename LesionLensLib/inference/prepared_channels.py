"""What a segmentation network gets to see: the channels as its card's `normalization` says."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.inference.bias_field import correct_bias
from LesionLensLib.inference.normalize import normalize

WITHOUT_BIAS_FIELD = "n4-zscore-brain"
NORMALIZATIONS = ("zscore-brain", WITHOUT_BIAS_FIELD)


def prepare_channels(
    channels: Sequence[NDArray[np.generic]],
    mask: NDArray[np.generic],
    spacing_kji_mm: Sequence[float],
    normalization: str,
) -> NDArray[np.float32]:
    """Return the channels as z-scores of the brain `(C, D, H, W)`, corrected for coil shading where the card asks.

    Each of `channels` and `mask` is (D, H, W). Raises `UserError` for a normalisation that does not exist, and as
    `normalize` does.
    """
    if normalization not in NORMALIZATIONS:
        raise UserError(
            f"The model card asks for a normalization called {normalization!r}.",
            f"Use one of {', '.join(NORMALIZATIONS)} in card.json.",
        )

    def prepare(channel: NDArray[np.generic]) -> NDArray[np.float32]:
        if normalization == WITHOUT_BIAS_FIELD:
            channel = correct_bias(channel, mask, spacing_kji_mm)
        return normalize(channel, mask)

    # One thread a channel: ITK leaves Python free to run the next one meanwhile.
    with ThreadPoolExecutor(max_workers=len(channels)) as pool:
        return np.stack(list(pool.map(prepare, channels)))
