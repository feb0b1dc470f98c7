"""Rows without a network, trained and judged on the same parts as the networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.outcome.parts import Part
from LesionLensLib.training.outcome.predictions import (
    BESIDE_FILE,
    PREDICTIONS_FILE,
    Prediction,
    write_predictions,
)

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


def train_baseline(
    make: Callable[[], Baseline], rows: Sequence[ManifestRow], parts: Sequence[Part], folder: Path, seed: int
) -> None:
    """Fit the baseline on every part that has cases to be judged on, and write what it says about them."""
    wanted = [part for part in parts if not (folder / part.name / PREDICTIONS_FILE).exists()]
    if not wanted:
        return
    baseline = make()
    features = baseline.features(rows)
    labels = np.array([int(row.label) for row in rows])
    place = {row.case: number for number, row in enumerate(rows)}
    for part in wanted:
        learned = [place[case] for case in part.train]
        (folder / part.name).mkdir(parents=True, exist_ok=True)

        def judge(cases: Sequence[str], learned: list[int] = learned, fold: str = part.fold) -> list[Prediction]:
            judged = [place[case] for case in cases]
            if not judged:
                return []
            said = baseline.fit_predict(features[learned], labels[learned], features[judged], seed)
            return [
                Prediction(rows[n].case, rows[n].patient, fold, int(labels[n]), float(p), float(s))
                for n, p, s in zip(judged, *said, strict=True)
            ]

        if part.beside:
            write_predictions(judge(part.beside), folder / part.name / BESIDE_FILE)
        # The held-out cases last: their file says that the part is done.
        write_predictions(judge(part.test), folder / part.name / PREDICTIONS_FILE)
