"""The figures of outcome models beside scikit-learn's, where it is installed (it belongs to the `train` group)."""

from __future__ import annotations

import numpy as np
import pytest

from LesionLensLib.outcome.confusion import confusion
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.outcome.reliability import brier_score, log_loss, reliability
from LesionLensLib.outcome.roc import auc, roc_curve
from LesionLensLib.training.fit_calibration import fit_method
from LesionLensLib.training.fit_gaussian import ledoit_wolf_shrinkage

metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn (train group) is not installed")


def cohort() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    labels = (rng.random(60) < 0.4).astype(np.int64)
    # One decimal gives ties.
    return labels, np.round(1.3 * labels + rng.normal(0, 1, 60), 1)


def test_area_curve_and_table_are_those_of_scikit_learn() -> None:
    labels, scores = cohort()
    assert auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores))
    curve = roc_curve(Outcomes.of(labels, scores))
    false_positive, true_positive, thresholds = metrics.roc_curve(labels, scores, drop_intermediate=False)
    assert curve is not None
    assert curve.false_positive_rate == pytest.approx(false_positive)
    assert curve.true_positive_rate == pytest.approx(true_positive)
    assert curve.thresholds[1:] == pytest.approx(thresholds[1:])
    called = scores >= 0.5
    figures = confusion(labels, called).figures()
    assert figures["accuracy"] == pytest.approx(metrics.accuracy_score(labels, called))
    assert figures["sensitivity"] == pytest.approx(metrics.recall_score(labels, called))
    assert figures["specificity"] == pytest.approx(metrics.recall_score(1 - labels, ~called))
    assert figures["precision"] == pytest.approx(metrics.precision_score(labels, called))
    assert figures["f1"] == pytest.approx(metrics.f1_score(labels, called))
    assert figures["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, called))


def test_losses_and_reliability_are_those_of_scikit_learn() -> None:
    calibration_curve = pytest.importorskip("sklearn.calibration").calibration_curve
    labels, scores = cohort()
    probabilities = 1 / (1 + np.exp(-scores))
    outcomes = Outcomes.of(labels, probabilities)
    assert brier_score(outcomes) == pytest.approx(metrics.brier_score_loss(labels, probabilities))
    assert log_loss(labels, scores) == pytest.approx(metrics.log_loss(labels, probabilities))
    observed, said = calibration_curve(labels, probabilities, n_bins=5)
    rows = [row for row in reliability(outcomes, 5, draws=100).rows if row.observed.patients]
    assert [row.observed.value for row in rows] == pytest.approx(observed.tolist())
    assert [row.mean_probability for row in rows] == pytest.approx(said.tolist())


def test_platt_scaling_is_scikit_learns_sigmoid_calibration() -> None:
    sigmoid = pytest.importorskip("sklearn.calibration")._sigmoid_calibration
    labels, scores = cohort()
    # scikit-learn fits 1 / (1 + exp(a z + b)) with Platt's targets too.
    a, b = sigmoid(scores, labels)
    found = fit_method("platt", labels, scores)
    assert (found.slope, found.intercept) == pytest.approx((-a, -b), rel=1e-3)


@pytest.mark.parametrize(("n", "p"), [(34, 5), (34, 128), (12, 3)])
def test_shrinkage_is_that_of_scikit_learns_ledoit_wolf(n: int, p: int) -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    rng = np.random.default_rng(n * p)
    values = rng.normal(size=(n, p)) @ rng.normal(size=(p, p))
    expected = covariance.ledoit_wolf_shrinkage(values)
    assert ledoit_wolf_shrinkage(values - values.mean(axis=0)) == pytest.approx(expected, rel=1e-9)
