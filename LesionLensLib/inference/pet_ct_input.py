"""What an outcome network gets of a PET-CT case: its channels on the box, normalised as the model card names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.field_of_view import covered, sample_box
from LesionLensLib.inference.pet_ct_normalize import (
    CT_HU,
    CT_HU_PHYSICAL,
    PET_SUV,
    PET_SUV_PHYSICAL,
    Intensities,
    normalize_box,
)
from LesionLensLib.outcome.case_description import CaseDescription, describe_case

LESION = "lesion"
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


def sample_pet_ct(
    volumes: Mapping[str, Volume],
    tumour: NDArray[np.float32] | None,
    roles: Sequence[str],
    grid: Grid,
    transforms: Mapping[str, sitk.Transform] = MappingProxyType({}),
) -> NDArray[np.float32]:
    """Return the channels (C, D, H, W) of `roles` on `grid`.

    The role "lesion" is a channel made of `tumour`, the share (D, H, W) of each voxel that is tumour, from one half on.
    `transforms` map points of `grid` to points of a channel. Raises `UserError` where the tumour is needed and unknown.
    """
    images = []
    for role in roles:
        if role != LESION:
            images.append(sample_box(volumes[role], grid, FILLS[role], transforms.get(role)).array)
        elif tumour is None:
            raise UserError("This model needs the outline of the lesion.", "Give it as --mask lesion=PATH.")
        else:
            images.append((tumour >= 0.5).astype(np.float32))
    return np.stack(images).astype(np.float32)


def describe_pet_ct(
    images: NDArray[np.float32],
    roles: Sequence[str],
    tumour: NDArray[np.float32] | None,
    grid: Grid,
    reference: Grid,
    features: ArrayLike | None = None,
) -> CaseDescription:
    """Describe what `sample_pet_ct` returned by values in SUV and HU inside of the image `reference`."""
    channels = {role: image for role, image in zip(roles, images, strict=True) if role != LESION}
    lesion = None if tumour is None else tumour >= 0.5
    return describe_case(channels, grid.voxel_ml, lesion, covered(grid, reference), features)


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
