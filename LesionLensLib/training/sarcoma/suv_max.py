"""The plainest row of the table: the highest uptake in the tumour, which every clinic knows already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LesionLensLib.images import read_volume
from LesionLensLib.images.lesion_mask import read_lesion_mask
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.fit_calibration import fit_method
from LesionLensLib.training.outcome.baselines import Floats, Labels, Said


class SuvMax:
    """SUVmax as the score; its logarithm, by logistic regression on the other patients, as the probability."""

    def features(self, rows: Sequence[ManifestRow]) -> Floats:
        """Return the SUVmax inside the contour of each case, (n, 1)."""
        return np.array([[suv_max(row)] for row in rows])

    def fit_predict(self, features: Floats, labels: Labels, others: Floats, seed: int) -> Said:
        """Fit Platt's two numbers on the logarithm of `features` (n, 1)."""
        center = float(np.log(features).mean())
        fitted = fit_method("platt", labels, np.log(features[:, 0]) - center)
        return Said(fitted.apply(np.log(others[:, 0]) - center), others[:, 0])


def suv_max(row: ManifestRow) -> float:
    """Return the highest SUV of a voxel whose centre lies in the contour; raises `UserError` as the readers do."""
    pet = read_volume(row.files["PET"])
    mask = read_lesion_mask(row.files["lesion"], pet)
    return float(pet.array[mask.array != 0].max())
