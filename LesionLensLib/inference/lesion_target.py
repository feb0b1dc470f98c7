"""Which lesions of a case get a prediction: those of a mask, one each, or the one at a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid, Matrix
from LesionLensLib.images.lesion_mask import split_lesions
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.field_of_view import centroid_ras, contains

MOST_LESIONS = 50
"""More separate spots than this are noise, or not a mask of lesions."""


@dataclass(frozen=True, eq=False)
class Target:
    """One lesion: its number from 1 (the largest), where the field of view is centred (RAS, mm), its outline if known.

    `mask` is 0 or 1 on the part of the reference image's grid around the lesion.
    """

    number: int
    center_ras: Matrix
    mask: Volume | None = None

    @property
    def volume_ml(self) -> float | None:
        """The volume of the outline."""
        return None if self.mask is None else float(self.mask.array.sum(dtype=np.int64)) * self.mask.grid.voxel_ml


def target_at(center_ras_mm: Sequence[float], reference: Volume, role: str) -> Target:
    """Return the lesion at a point; raises `UserError` for one outside of `reference`, which was given as `role`."""
    center = np.asarray(center_ras_mm, dtype=np.float64)
    ijk = reference.grid.ijk_from_ras(center)
    if np.any(ijk < -0.5) or np.any(ijk > np.array(reference.grid.size) - 0.5):
        point = ", ".join(f"{part:g}" for part in center)
        raise UserError(
            f"The point {point} lies outside of {role}.", "Give R,A,S in mm, as 3D Slicer shows it for the lesion."
        )
    return Target(1, center)


def outside_share(target: Target, view: Grid) -> float | None:
    """Return the share of the outline that lies outside of the field of view; None where the outline is not known."""
    if target.mask is None:
        return None
    marked = np.argwhere(target.mask.array)
    return float(np.mean(~contains(view, target.mask.grid.ras_from_ijk(marked[:, ::-1]))))


def targets_in(drawn: Volume, reference: Volume, min_volume_ml: float) -> tuple[Target, ...]:
    """Return every connected lesion of a mask from `min_volume_ml` on, the largest first.

    Raises `UserError` where none is left and where there are more than `MOST_LESIONS`.
    """
    mask = resample(drawn, reference.grid, "nearest")
    lesions = split_lesions(mask, min_volume_ml)
    if not lesions:
        raise UserError(
            f"The mask marks no lesion of at least {min_volume_ml:g} ml in the image.", "Give a mask of the lesion."
        )
    if len(lesions) > MOST_LESIONS:
        raise UserError(
            f"The mask marks {len(lesions)} separate lesions.",
            f"Give a mask of the lesions meant, {MOST_LESIONS} or fewer.",
        )
    return tuple(Target(number, centroid_ras(one), one) for number, one in enumerate(lesions, start=1))
