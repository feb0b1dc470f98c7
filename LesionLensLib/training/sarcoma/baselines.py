"""Rows without a network: the plain SUVmax, and radiomics; trained and judged on the same parts as the networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.sarcoma.parts import Part
from LesionLensLib.training.sarcoma.predictions import PREDICTIONS_FILE, Prediction, write_predictions

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class Said(NamedTuple):
    """`probabilities` (n,) and `scores` (n,) for the ROC curve."""

    probabilities: Floats
    scores: Floats


class Baseline(Protocol):
    """A way from features to a probability."""

    def features(self, rows: Sequence[ManifestRow]) -> Floats:
        """Return one row of features a case, (n, f), without looking at outcomes."""

    def fit_predict(self, features: Floats, labels: Labels, others: Floats, seed: int) -> Said:
        """Learn from `features` (n, f) with `labels` (n,), and say something about `others` (m, f)."""


def make_baseline(name: str) -> Baseline:
    """Return the baseline called `name`; raises `EnvironmentFault` where its library is not installed."""
    if name == "suvmax":
        from LesionLensLib.training.sarcoma.suv_max import SuvMax

        return SuvMax()
    from LesionLensLib.training.sarcoma.radiomics import make_radiomics

    return make_radiomics(name)


def train_baseline(name: str, rows: Sequence[ManifestRow], parts: Sequence[Part], folder: Path, seed: int) -> None:
    """Fit the baseline on every part that has cases to be judged on, and write what it says about them."""
    wanted = [part for part in parts if not (folder / part.name / PREDICTIONS_FILE).exists()]
    if not wanted:
        return
    baseline = make_baseline(name)
    features = baseline.features(rows)
    labels = np.array([int(row.label) for row in rows])
    place = {row.case: number for number, row in enumerate(rows)}
    for part in wanted:
        learned, judged = ([place[case] for case in cases] for cases in (part.train, part.test))
        predictions: list[Prediction] = []
        if judged:
            said = baseline.fit_predict(features[learned], labels[learned], features[judged], seed)
            fold = part.name.removeprefix("fold-")
            predictions = [
                Prediction(rows[n].case, rows[n].patient, fold, int(labels[n]), float(p), float(s))
                for n, p, s in zip(judged, *said, strict=True)
            ]
        (folder / part.name).mkdir(parents=True, exist_ok=True)
        write_predictions(predictions, folder / part.name / PREDICTIONS_FILE)
