"""The area under the ROC curve, DeLong's variance by hand, the paired test, and intervals where DeLong has none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.outcome.roc import auc, auc_figure, compare_aucs, delong, roc_curve

LABELS = np.array([1, 1, 1, 0, 0])
FIRST = np.array([0.9, 0.6, 0.3, 0.5, 0.1])
SECOND = np.array([0.9, 0.2, 0.6, 0.3, 0.4])


def test_delong_by_hand_for_three_positive_and_two_negative_patients() -> None:
    # Placements of the positives 1, 1, 1/2 (variance 1/12), of the negatives 2/3, 1 (variance 1/18).
    areas, covariance = delong(LABELS, np.stack([FIRST, SECOND]))
    assert areas.tolist() == pytest.approx([5 / 6, 2 / 3])
    assert covariance.tolist() == [pytest.approx([1 / 18, -1 / 36]), pytest.approx([-1 / 36, 1 / 9])]
    figure = auc_figure(Outcomes.of(LABELS, FIRST))
    assert figure.low == pytest.approx(5 / 6 - 1.959964 * math.sqrt(1 / 18), abs=1e-6)
    assert figure.high == 1.0
    assert (figure.patients, figure.method) == (5, "delong")


def test_the_paired_test_by_hand() -> None:
    comparison = compare_aucs(Outcomes.of(LABELS, FIRST), Outcomes.of(LABELS, SECOND))
    assert comparison.difference.value == pytest.approx(1 / 6)
    # z = (1/6) / sqrt(1/18 + 1/9 + 2/36) = 0.353553
    assert comparison.p_value == pytest.approx(math.erfc(0.3535534 / math.sqrt(2)), abs=1e-6)


def test_the_paired_test_is_undefined_for_equal_rankings_and_refused_for_other_patients() -> None:
    same = compare_aucs(Outcomes.of(LABELS, FIRST), Outcomes.of(LABELS, 10 * FIRST - 3))
    assert same.difference.value == pytest.approx(0.0)
    assert same.p_value is None
    with pytest.raises(UserError, match="different cases"):
        compare_aucs(Outcomes.of(LABELS, FIRST), Outcomes.of(LABELS[::-1], FIRST))
    with pytest.raises(UserError, match="different cases"):
        compare_aucs(Outcomes.of(LABELS, FIRST), Outcomes.of(LABELS, FIRST, list("abcde")))


def test_delong_agrees_with_the_bootstrap_on_a_cohort_of_the_real_size() -> None:
    rng = np.random.default_rng(2)
    labels = np.array([1] * 16 + [0] * 26)
    scores = labels * 1.2 + rng.normal(0, 1, 42)
    formula = auc_figure(Outcomes.of(labels, scores))
    drawn = auc_figure(Outcomes.of(np.append(labels, 0), np.append(scores, scores[-1]), [*map(str, range(42)), "41"]))
    assert (formula.method, drawn.method) == ("delong", "bootstrap")
    assert formula.low == pytest.approx(drawn.low, abs=0.05)
    assert formula.high == pytest.approx(drawn.high, abs=0.05)


def test_delongs_p_value_is_rarely_small_where_two_models_are_equally_good() -> None:
    rng = np.random.default_rng(3)
    labels = np.array([1] * 20 + [0] * 20)
    small = 0
    for _ in range(300):
        common = labels + rng.normal(0, 1, 40)
        pair = [Outcomes.of(labels, common + rng.normal(0, 0.7, 40)) for _ in range(2)]
        p_value = compare_aucs(*pair).p_value
        small += p_value is not None and p_value < 0.05
    assert 0.01 <= small / 300 <= 0.10


def test_ties_count_half_and_a_missing_outcome_has_no_area() -> None:
    assert auc(np.array([1, 0, 0]), np.array([0.5, 0.5, 0.1])) == 0.75
    assert auc(np.array([0, 0]), np.array([0.5, 0.1])) is None
    nobody = auc_figure(Outcomes.of([0, 0], [0.5, 0.1]))
    assert (nobody.value, nobody.low, nobody.high, nobody.patients) == (None, None, None, 2)
    assert roc_curve(Outcomes.of([0, 0], [0.5, 0.1])) is None


def test_a_perfect_area_of_eight_patients_keeps_an_honest_width() -> None:
    perfect = auc_figure(Outcomes.of([1, 1, 1, 0, 0, 0, 0, 0], [9, 8, 7, 5, 4, 3, 2, 1]))
    assert (perfect.value, perfect.high, perfect.method) == (1.0, 1.0, "newcombe")
    low = perfect.low
    assert low is not None
    # Newcombe's variance at the lower limit: the observed area is exactly 1.96 of its square roots away.
    variance = low * (1 - low) / 15 * (1 + 3 * (1 - low) / (2 - low) + 3 * low / (1 + low))
    assert (1 - low) / math.sqrt(variance) == pytest.approx(1.959964, abs=1e-4)
    worst = auc_figure(Outcomes.of([0, 0, 0, 0, 0, 1, 1, 1], [9, 8, 7, 5, 4, 3, 2, 1]))
    assert worst.high == pytest.approx(1 - low)


def test_the_curve_has_one_point_a_distinct_score_and_youdens_point_on_it() -> None:
    curve = roc_curve(Outcomes.of([1, 0, 1, 0, 0], [0.9, 0.7, 0.7, 0.4, 0.1]))
    assert curve is not None
    assert curve.thresholds.tolist() == [math.inf, 0.9, 0.7, 0.4, 0.1]
    assert curve.true_positive_rate.tolist() == [0, 0.5, 1, 1, 1]
    assert curve.false_positive_rate.tolist() == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    assert curve.youden_threshold() == 0.7
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(auc(np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.7, 0.7, 0.4, 0.1])))
