"""What each row of the brain table says, by scope: lesions it learned from, held-out ones, and the test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy import special

from LesionLensLib.manifest import ManifestRow
from LesionLensLib.outcome.calibration import logit_of
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.outcome.roc import auc
from LesionLensLib.training.outcome.kind import PartPredictions
from LesionLensLib.training.outcome.parts import FINAL, TEST, Part, fold_parts, plan_folds
from LesionLensLib.training.outcome.predictions import Prediction
from LesionLensLib.training.outcome.tables import Scopes
from LesionLensLib.training.outcome_folds import FoldPlan

TRAINING, VALIDATION = "training", "validation"
"""Beside `TEST`: each lesion by the mean of the networks that learned from it, and by the one that did not."""


def plan(rows: Sequence[ManifestRow], folds: int, seed: int) -> tuple[FoldPlan | None, tuple[Part, ...]]:
    """Return folds over the patients of the train split, each judged on the test too, and the final part.

    Unlike the folds of a small real cohort these never take in the test split: the simulation has patients enough, and
    nothing that is shipped may have learned from the test. A patient with lesions in both splits is left out of the
    folds.
    """
    test = tuple(row.case for row in rows if row.split == TEST)
    tested = {row.patient for row in rows if row.split == TEST}
    own = [row for row in rows if row.patient not in tested]
    dealt = plan_folds(own, folds, seed)
    parts = [Part(p.name, p.train, p.test, (*p.train, *test)) for p in fold_parts(own, dealt)]
    return dealt, (*parts, Part(FINAL, tuple(row.case for row in own), ()))


def scopes_of(parts: Sequence[Part], said: PartPredictions, beside: PartPredictions) -> Scopes:
    """Return the scopes of one row once all its folds are there; before that, none."""
    folds = [part for part in parts if part.is_fold]
    held_out = [one for part in folds for one in said(part)]
    if not folds or len(held_out) < sum(len(part.test) for part in folds):
        return {}
    learned = {case for part in folds for case in part.train}
    others = [one for part in folds for one in beside(part)]
    return {
        TRAINING: _together((one for one in others if one.case in learned), TRAINING),
        VALIDATION: tuple(held_out),
        TEST: _together((one for one in others if one.case not in learned), TEST),
    }


def best_row(said: Mapping[str, Scopes], rows: Sequence[str]) -> str | None:
    """Return the row with the largest area on held-out lesions, the first of equals; None until all rows are there."""
    if any(not said.get(name, {}).get(VALIDATION) for name in rows):
        return None
    areas = {}
    for name in rows:
        held_out = said[name][VALIDATION]
        outcomes = Outcomes.of([one.outcome for one in held_out], [one.score for one in held_out])
        areas[name] = auc(outcomes.labels, outcomes.scores) or 0.0
    return max(rows, key=lambda name: areas[name])


def _together(predictions: Iterable[Prediction], scope: str) -> tuple[Prediction, ...]:
    """Return one prediction a case: the mean score, and the probability of the mean logit."""
    by_case: dict[str, list[Prediction]] = {}
    for one in predictions:
        by_case.setdefault(one.case, []).append(one)
    together = []
    for case, group in by_case.items():
        logit = float(logit_of([one.probability for one in group]).mean())
        score = float(np.mean([one.score for one in group]))
        first = group[0]
        together.append(Prediction(case, first.patient, scope, first.outcome, float(special.expit(logit)), score))
    return tuple(together)
