"""Temperature and Platt scaling by hand, the choice inside the folds, and the calibration error of few patients."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.special import expit

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.calibration import Calibration, logit_of
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.outcome.reliability import brier_score, log_loss, reliability
from LesionLensLib.training.fit_calibration import fit_calibration, fit_method


def two_piles(right_of_ten_high: int, right_of_ten_low: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten patients at logit +1 and ten at -1, with so many of them having the event above and not having it below."""
    high = [1] * right_of_ten_high + [0] * (10 - right_of_ten_high)
    low = [0] * right_of_ten_low + [1] * (10 - right_of_ten_low)
    return np.array(high + low), np.repeat([1.0, -1.0], 10)


def patients_of(slope: float, offset: float, count: int = 240, seed: int = 0) -> Outcomes:
    """Patients whose risk is sigmoid(z), of whom the network says (z - offset) / slope."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, count)
    return Outcomes.of((rng.random(count) < expit(z)).astype(int), (z - offset) / slope)


def test_temperature_of_eight_right_in_ten_is_one_over_log_three() -> None:
    # Targets 11/12 and 1/12: the mean target at +1 is (8 * 11 + 2) / 120 = 3/4.
    found = fit_method("temperature", *two_piles(8, 8))
    assert found.slope == pytest.approx(math.log(3), rel=1e-6)
    assert found.intercept == 0.0
    # Fisher information 20 * 3/4 * 1/4 for either parameter, none across.
    assert found.covariance == pytest.approx((1 / 3.75, 0.0, 1 / 3.75), rel=1e-6)


def test_platt_meets_the_smoothed_share_of_either_pile_exactly() -> None:
    found = fit_method("platt", *two_piles(7, 9))
    high = (7 * 9 / 10 + 3 * 1 / 14) / 10
    low = (1 * 9 / 10 + 9 * 1 / 14) / 10
    assert found.apply([1.0, -1.0]).tolist() == pytest.approx([high, low], rel=1e-6)


def test_no_slope_and_intercept_near_the_optimum_are_better() -> None:
    outcomes = patients_of(0.3, 0.8, 42)
    positives = int(outcomes.labels.sum())
    targets = np.where(outcomes.labels == 1, (positives + 1) / (positives + 2), 1 / (44 - positives))

    def loss(slope: float, intercept: float) -> float:
        p = expit(slope * outcomes.scores + intercept)
        return float(-np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p)))

    best = fit_method("platt", outcomes.labels, outcomes.scores)
    for step in (-1e-3, 1e-3):
        assert loss(best.slope, best.intercept) < loss(best.slope + step, best.intercept)
        assert loss(best.slope, best.intercept) < loss(best.slope, best.intercept + step)


@pytest.mark.parametrize(
    ("slope", "offset", "chosen"), [(0.2, 0.0, "temperature"), (0.5, 1.5, "platt"), (1.0, 0.0, "none")]
)
def test_the_method_that_mends_what_is_wrong_is_chosen_by_held_out_loss(
    slope: float, offset: float, chosen: str
) -> None:
    # In every fold eight of ten have the event where the risk is 0.8, and two of ten where it is 0.2.
    labels, sign = two_piles(8, 8)
    logits = (np.log(4) * sign - offset) / slope
    outcomes = Outcomes.of(np.tile(labels, 6), np.tile(logits, 6))
    fit = fit_calibration(outcomes, np.repeat(np.arange(6), 20))
    assert fit.calibration.method == chosen
    assert fit.calibration.patients == 120
    assert fit.calibration.slope == pytest.approx(slope, rel=0.05)
    assert fit.calibration.intercept == pytest.approx(offset, rel=0.05, abs=1e-6)
    assert fit.losses[fit.calibration.method] == pytest.approx(min(fit.losses.values()), abs=1e-9)
    before = log_loss(outcomes.labels, outcomes.scores)
    assert log_loss(outcomes.labels, logit_of(fit.probabilities)) < before + 0.01


def test_a_patients_held_out_probability_does_not_know_the_outcomes_of_his_fold() -> None:
    outcomes = patients_of(0.3, 0.5, 48)
    folds = np.arange(48) % 6
    turned = np.where(folds == 2, 1 - outcomes.labels, outcomes.labels)
    first = fit_calibration(outcomes, folds).probabilities
    second = fit_calibration(Outcomes.of(turned, outcomes.scores), folds).probabilities
    assert np.array_equal(first[folds == 2], second[folds == 2])
    assert not np.allclose(first[folds == 3], second[folds == 3])


def test_perfectly_parted_patients_get_no_certainty_and_a_reversed_network_gets_no_slope() -> None:
    labels, logits = two_piles(10, 10)
    assert fit_method("platt", labels, logits).apply([1.0])[0] == pytest.approx(11 / 12, rel=1e-6)
    assert fit_method("temperature", labels, 1000 * logits).apply([1000.0])[0] == pytest.approx(11 / 12, rel=1e-6)
    turned = fit_method("platt", 1 - labels, logits)
    assert turned.slope == 0.0
    assert turned.apply([-5.0, 5.0]).tolist() == pytest.approx([0.5, 0.5], abs=1e-6)
    constant = fit_method("platt", labels, np.full(20, 0.7))
    assert constant.apply([0.7])[0] == pytest.approx(0.5, abs=1e-5)
    assert all(math.isfinite(value) for value in constant.covariance)


def test_one_outcome_or_two_folds_cannot_be_calibrated() -> None:
    with pytest.raises(UserError, match="with and without"):
        fit_method("platt", np.ones(5, int), np.arange(5.0))
    with pytest.raises(UserError, match="three folds"):
        fit_calibration(patients_of(1, 0, 20), np.arange(20) % 2)


def test_a_calibration_survives_the_model_card_and_a_damaged_one_is_refused() -> None:
    fitted = fit_calibration(patients_of(0.4, 0.7, 42), np.arange(42) % 6).calibration
    record = json.loads(json.dumps(fitted.to_dict()))
    assert Calibration.from_dict(record) == fitted
    assert not Calibration().calibrated
    assert Calibration().apply(logit_of([0.2]))[0] == pytest.approx(0.2)
    for field, value in (
        ("method", "magic"), ("slope", -1.0), ("slope", "1"), ("intercept", float("nan")), ("covariance", [1.0, 0.0]),
        ("covariance", [1.0, 5.0, 1.0]), ("covariance", [-1.0, 0.0, 1.0]), ("patients", -1), ("patients", True),
    ):  # fmt: skip
        with pytest.raises(UserError, match="calibration of the model"):
            Calibration.from_dict({**record, field: value})
    with pytest.raises(UserError, match="JSON object"):
        Calibration.from_dict([1.0, 0.0])


def test_probabilities_of_zero_and_one_become_finite_logits() -> None:
    assert logit_of([0.0, 1.0]).tolist() == pytest.approx([-math.log(1e7 - 1), math.log(1e7 - 1)])
    assert log_loss(np.array([1]), np.array([-5000.0])) == pytest.approx(5000.0)


SAID, HAPPENED = [0.1, 0.1, 0.9, 0.9, 0.5], [0, 1, 1, 1, 0]


def test_the_calibration_error_of_five_patients_by_hand_in_both_kinds_of_bins() -> None:
    outcomes = Outcomes.of(HAPPENED, SAID)
    # Bins of 0.2: (2 |0.1 - 0.5| + 1 |0.5 - 0| + 2 |0.9 - 1|) / 5.
    wide = reliability(outcomes, 5, draws=200)
    assert wide.error == pytest.approx(0.3)
    assert [row.observed.patients for row in wide.rows] == [2, 0, 1, 0, 2]
    assert wide.rows[1].mean_probability is None
    assert wide.rows[1].observed.value is None
    assert (wide.rows[4].low, wide.rows[4].high, wide.rows[4].mean_probability) == (0.8, 1.0, pytest.approx(0.9))
    # Two bins of about equal count, 0.1 0.1 | 0.5 0.9 0.9: (|0.2 - 1| + |2.3 - 2|) / 5.
    even = reliability(outcomes, 2, "equal-count", draws=200)
    assert even.error == pytest.approx(0.22)
    assert [row.observed.cases for row in even.rows] == [2, 3]
    assert json.loads(json.dumps(even.to_dict()))["rows"][1]["low"] == 0.5
    # (0.01 + 0.81 + 0.01 + 0.01 + 0.25) / 5
    assert brier_score(outcomes) == pytest.approx(0.218)


def test_equal_probabilities_share_a_bin_whatever_the_order_of_the_patients() -> None:
    labels = np.array([1] * 6 + [0] * 6)
    for order in (np.arange(12), np.arange(12)[::-1]):
        table = reliability(Outcomes.of(labels[order], np.full(12, 0.5)), 4, "equal-count", draws=100)
        assert table.error == pytest.approx(0.0)


def test_true_probabilities_are_not_called_miscalibrated_and_overconfident_ones_are() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(0, 1.5, 300)
    labels = (rng.random(300) < expit(z)).astype(int)
    honest = reliability(Outcomes.of(labels, expit(z)), 10)
    loud = reliability(Outcomes.of(labels, expit(4 * z)), 10)
    assert honest.p_value > 0.05
    assert loud.p_value < 0.01
    assert loud.error > 0.1 > honest.error
    few = reliability(Outcomes.of(labels[:42], expit(z[:42])), 10)
    assert few.error_by_chance > 0.08, "chance alone gives a large error with 42 patients"


def test_scores_that_are_no_probabilities_and_no_bins_are_refused() -> None:
    with pytest.raises(UserError, match="below 0 or above 1"):
        reliability(Outcomes.of([0, 1], [-2.0, 3.0]))
    with pytest.raises(UserError, match="one bin"):
        reliability(Outcomes.of([0, 1], [0.2, 0.3]), 0)
