"""Whether a lesion mask marks one lesion inside the image."""

from __future__ import annotations

import numpy as np

from LesionLensLib.images.lesion_mask import count_lesions
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.findings import Finding


def check_lesion_mask(mask: Volume, image: Volume, role: str, min_volume_ml: float = 0.0) -> tuple[Finding, ...]:
    """Find a mask that is empty, lies for the most part outside of `image` (given as `role`), or marks several lesions.

    Several lesions are worth knowing, not wrong: each gets a prediction of its own (`split_lesions`).
    """
    if not np.any(mask.array):
        return (
            Finding("error", "lesion-mask-empty", "The lesion mask is empty.", "Give a mask that marks the lesion."),
        )
    binary = Volume((mask.array != 0).astype(np.uint8), mask.grid)
    inside_ml = float(resample(binary, image.grid, "nearest").array.sum()) * image.grid.voxel_ml
    if inside_ml < 0.5 * float(binary.array.sum()) * mask.grid.voxel_ml:
        return (
            Finding(
                "error",
                "lesion-mask-elsewhere",
                f"The lesion mask lies for the most part outside {role}.",
                f"Give a mask made on {role} or on an image of the same examination.",
            ),
        )
    count = count_lesions(binary, min_volume_ml)
    if count > 1:
        return (
            Finding(
                "info",
                "several-lesions",
                f"The mask marks {count} separate lesions; each gets a prediction of its own.",
                "Give a mask of one lesion where only that one is meant.",
            ),
        )
    return ()
