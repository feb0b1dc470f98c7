"""The radiomics rows: logistic regression on a few features, chosen inside the training patients of each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.outcome.baselines import Floats, Labels, Said
from LesionLensLib.training.sarcoma.radiomics_features import case_features

IMAGES: Mapping[str, tuple[str, ...]] = {
    "radiomics-pet": ("PET",),
    "radiomics-pet-ct": ("PET", "CT"),
    "radiomics-pet-t1": ("PET", "PET+MR_T1"),
}
INNER_FOLDS = 5
CHOICES = {"choose__k": (2, 4, 8, 16), "fit__C": (0.01, 0.1, 1.0)}


@dataclass(frozen=True)
class Radiomics:
    """Features of `images`, univariate selection, ridge logistic regression.

    How many features and how strong a penalty is chosen by cross-validation within the training patients, so that no
    held-out patient has a say in either.
    """

    images: tuple[str, ...]

    def features(self, rows: Sequence[ManifestRow]) -> Floats:
        """Return the features of each case, (n, f); what a library could not compute is NaN."""
        records = [case_features(row, self.images) for row in rows]
        names = sorted({name for record in records for name in record})
        return np.array([[record.get(name, np.nan) for name in names] for record in records])

    def fit_predict(self, features: Floats, labels: Labels, others: Floats, seed: int) -> Said:
        """Choose and fit on `features` (n, f) and `labels` (n,), and predict `others` (m, f).

        Raises `EnvironmentFault` where scikit-learn is not installed.
        """
        # A column that is missing or the same everywhere tells nothing, and the tests of the selection divide by it.
        known = np.isfinite(features).any(axis=0)
        kept = known & (np.nanmax(features, axis=0, initial=-np.inf) > np.nanmin(features, axis=0, initial=np.inf))
        chosen = _search(min(INNER_FOLDS, int(np.bincount(labels).min())), int(kept.sum()), seed)
        chosen.fit(features[:, kept], labels)
        probabilities = chosen.predict_proba(others[:, kept])[:, 1]
        return Said(probabilities, chosen.decision_function(others[:, kept]))


def make_radiomics(name: str) -> Radiomics:
    """Return the radiomics row called `name`."""
    return Radiomics(IMAGES[name])


def _search(folds: int, features: int, seed: int) -> Any:
    try:
        from sklearn.feature_selection import SelectKBest, f_classif
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import RobustScaler
    except ImportError as error:
        raise EnvironmentFault(
            "The radiomics rows need scikit-learn, which is not installed.",
            'Install it with pip install "lesionlens[radiomics]", or leave these rows out.',
            str(error),
        ) from error
    pipeline = Pipeline(
        [
            ("fill", SimpleImputer(strategy="median")),
            ("scale", RobustScaler()),
            ("choose", SelectKBest(f_classif)),
            ("fit", LogisticRegression(class_weight="balanced", max_iter=5000)),
        ]
    )
    grid = {**CHOICES, "choose__k": sorted({min(k, features) for k in CHOICES["choose__k"]})}
    inner = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return GridSearchCV(pipeline, grid, scoring="roc_auc", cv=inner)
