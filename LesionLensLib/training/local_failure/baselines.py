"""What the networks are compared with: the lesion's volume alone, and the truth of the simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from LesionLensLib.errors import UserError
from LesionLensLib.images import read_volume
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.fit_calibration import fit_method
from LesionLensLib.training.metastases.records import read_truth
from LesionLensLib.training.outcome.baselines import Baseline, Floats, Labels, Said


class LesionVolume:
    """The logarithm of the volume as the score; by logistic regression on the other lesions, the probability."""

    def features(self, rows: Sequence[ManifestRow]) -> Floats:
        """Return the logarithm of the volume in ml of each lesion, (n, 1)."""
        masks = (read_volume(row.files["lesion"]) for row in rows)
        volumes = np.array([float(np.count_nonzero(mask.array)) * mask.grid.voxel_ml for mask in masks])
        logarithms: Floats = np.log(volumes)[:, None]
        return logarithms

    def fit_predict(self, features: Floats, labels: Labels, others: Floats, seed: int) -> Said:
        """Fit Platt's two numbers on `features` (n, 1)."""
        center = float(features.mean())
        fitted = fit_method("platt", labels, features[:, 0] - center)
        return Said(fitted.apply(others[:, 0] - center), others[:, 0])


class SimulatedTruth:
    """The probability with which the outcome was drawn: the best possible predictor, which no network can beat."""

    def features(self, rows: Sequence[ManifestRow]) -> Floats:
        """Return the true log odds of each lesion, (n, 1); raises `UserError` for lesions that were not simulated."""
        if not all(row.has("truth") for row in rows):
            raise UserError("Real lesions have no known risk.", "Leave the baseline truth out of the recipe.")
        return np.array([[float(read_truth(row.files["truth"])["logit"])] for row in rows])

    def fit_predict(self, features: Floats, labels: Labels, others: Floats, seed: int) -> Said:
        """Return the truth as it is."""
        return Said(special.expit(others[:, 0]), others[:, 0])


def make_baseline(name: str) -> Baseline:
    """Return the baseline called `name`."""
    return LesionVolume() if name == "volume" else SimulatedTruth()
