"""Patients whose true risk is known, and the logistic models of a cross-validation on them, small enough for tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.training.outcome_folds import make_folds

WEIGHTS = np.array([1.2, 0.8, 0.5, 0.0])
OFFSET = -0.6
FOLDS = 6


@dataclass(frozen=True, eq=False)
class Cohort:
    """Training patients with features `(n, p)`, held-out logits and folds, and new ones with their true risk `(m,)`.

    `new_logits` is `(m, K)`: what the model of each fold says.
    """

    features: np.ndarray
    held_out: Outcomes
    folds: list[int]
    new_features: np.ndarray
    new_logits: np.ndarray
    new_risk: np.ndarray
    new_labels: np.ndarray


def simulate(seed: int, patients: int = 42, new: int = 25, offset: float = 0.0, penalty: float = 1.0) -> Cohort:
    """Draw a cohort; `offset` is added to what is measured of new patients, while their risk stays what it was."""
    rng = np.random.default_rng(seed)
    features, labels = _draw(rng, patients)
    while not 8 <= labels.sum() <= patients - 8:
        features, labels = _draw(rng, patients)
    truth = rng.normal(size=(new, WEIGHTS.size))
    risk = expit(truth @ WEIGHTS + OFFSET)
    names = [f"p{n:03d}" for n in range(patients)]
    folds = make_folds(names, labels.tolist(), FOLDS, seed).fold_of(names)
    fold, measured = np.array(folds), truth + offset
    held_out, said = np.empty(patients), np.empty((new, FOLDS))
    for k in range(FOLDS):
        model = _logistic(features[fold != k], labels[fold != k], penalty)
        held_out[fold == k] = features[fold == k] @ model[:-1] + model[-1]
        said[:, k] = measured @ model[:-1] + model[-1]
    happened = (rng.random(new) < risk).astype(int)
    return Cohort(features, Outcomes.of(labels, held_out, names), folds, measured, said, risk, happened)


def _draw(rng: np.random.Generator, patients: int) -> tuple[np.ndarray, np.ndarray]:
    features = rng.normal(size=(patients, WEIGHTS.size))
    return features, (rng.random(patients) < expit(features @ WEIGHTS + OFFSET)).astype(int)


def _logistic(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Return ridge logistic regression's weights and offset by Newton's method."""
    design = np.column_stack([x, np.ones(len(x))])
    ridge = np.diag([penalty] * x.shape[1] + [1e-6])
    found = np.zeros(design.shape[1])
    for _ in range(12):
        p = expit(design @ found)
        slope = design.T @ (p - y) + ridge @ found
        found = found - np.linalg.solve((design * (p * (1 - p))[:, None]).T @ design + ridge, slope)
    return found
