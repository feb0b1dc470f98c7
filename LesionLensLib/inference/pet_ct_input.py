"""What an outcome network gets of a PET-CT case: its channels on the box, normalised as the model card names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.inference.pet_ct_normalize import (
    CT_HU,
    CT_HU_PHYSICAL,
    PET_SUV,
    PET_SUV_PHYSICAL,
    Intensities,
    normalize_box,
)

FILLS: Mapping[str, float] = MappingProxyType({"PET": 0.0, "CT": -1000.0, "lesion": 0.0})
"""What lies beyond the border of an image: no uptake, air, no tumour."""

NORMALIZATIONS: Mapping[str, Mapping[str, Intensities]] = MappingProxyType(
    {
        "petct-contrast": {"PET": PET_SUV, "CT": CT_HU},
        "petct-box": {"PET": PET_SUV.without_contrast(), "CT": CT_HU.without_contrast()},
        "petct-physical": {"PET": PET_SUV_PHYSICAL, "CT": CT_HU_PHYSICAL},
    }
)
"""By the name in a model card: the paper's contrast step then z-scores, z-scores alone, SUV and HU as they are."""


def network_input(
    images: NDArray[np.float32], roles: Sequence[str], spacing_mm: float, normalization: str
) -> NDArray[np.float32]:
    """Return `images` (C, D, H, W), SUV and HU in the order of `roles`, as the network sees them.

    A role without treatment (a mask) is passed on as it is. Raises `UserError` for a normalisation that is not known,
    and as `normalize_box`.
    """
    if normalization not in NORMALIZATIONS:
        known = ", ".join(NORMALIZATIONS)
        raise UserError(f"There is no PET-CT normalisation {normalization}.", f"Use one of: {known}.")
    treatments = NORMALIZATIONS[normalization]
    spacing = (spacing_mm,) * 3
    channels = [
        normalize_box(image, spacing, treatments[role], role) if role in treatments else image.astype(np.float32)
        for role, image in zip(roles, images, strict=True)
    ]
    return np.stack(channels)
