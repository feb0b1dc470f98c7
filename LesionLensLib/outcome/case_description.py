"""What of a case is compared with the training cases: intensities, size of the lesion, features of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from LesionLensLib.errors import UserError

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
IN_LESION = "{} in the lesion"


@dataclass(frozen=True)
class CaseDescription:
    """Quantiles (`QUANTILES`) of every channel and of its lesion part, lesion volume, features `(K, p)` of K models.

    `volume_ml` is `None` where no lesion mask is known, `features` empty where the network gives none.
    """

    intensities: Mapping[str, tuple[float, ...]]
    volume_ml: float | None = None
    features: tuple[tuple[float, ...], ...] = ()


def describe_case(
    images: Mapping[str, NDArray[np.generic]],
    voxel_ml: float,
    lesion: NDArray[np.generic] | None = None,
    inside: NDArray[np.bool_] | None = None,
    features: ArrayLike | None = None,
) -> CaseDescription:
    """Describe a case from its channels by role, on one grid `(D, H, W)`, before normalisation.

    PET and CT come in SUV and HU. MR has no unit: give it on the scale that the model card's normalisation makes, else
    the scanner's gain is what is found unusual. Training cases and new ones must be cut out alike. `inside` leaves out
    padding. `features` is `(p,)` of one model or `(K, p)` of the models of K folds. Raises `UserError` for a channel
    without a single finite voxel.
    """
    marked = None if lesion is None or not np.any(lesion) else np.asarray(lesion) != 0
    intensities = {}
    for role, image in images.items():
        values = np.asarray(image)
        intensities[role] = _quantiles(values if inside is None else values[inside], role)
        if marked is not None:
            intensities[IN_LESION.format(role)] = _quantiles(values[marked], role)
    volume_ml = None if marked is None else float(marked.sum()) * voxel_ml
    rows = () if features is None else np.atleast_2d(np.asarray(features, dtype=np.float64)).tolist()
    return CaseDescription(intensities, volume_ml, tuple(tuple(row) for row in rows))


def _quantiles(values: NDArray[np.generic], role: str) -> tuple[float, ...]:
    numbers = values.astype(np.float64).ravel()
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        raise UserError(f"{role} has no voxel with a number in it.", f"Check that {role} covers the lesion.")
    return tuple(np.quantile(numbers, QUANTILES).tolist())
