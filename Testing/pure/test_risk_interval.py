"""The interval of one patient's risk: by hand, its coverage of known risks, and where it must fail and say so."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit
from simulated_cohort import Cohort, simulate

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.calibration import Calibration
from LesionLensLib.outcome.case_description import CaseDescription
from LesionLensLib.outcome.conformal import Conformal
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.outcome.risk_interval import risk_of
from LesionLensLib.training.fit_calibration import fit_calibration
from LesionLensLib.training.fit_typicality import fit_typicality

COHORTS = 60


def test_the_interval_of_three_logits_by_hand() -> None:
    # Mean 1, jackknife variance 2/3 * 2 = 4/3, Student's t of 2 degrees 4.302653.
    risk = risk_of([0.0, 1.0, 2.0], Calibration())
    half = 4.302653 * math.sqrt(4 / 3)
    assert risk.probability == pytest.approx(expit(1.0))
    assert (risk.low, risk.high) == (pytest.approx(expit(1 - half)), pytest.approx(expit(1 + half)))


def test_models_that_agree_leave_the_uncertainty_of_the_calibration() -> None:
    calibration = Calibration("platt", 2.0, -1.0, (0.09, -0.02, 0.04), 42)
    risk = risk_of([1.5] * 6, calibration)
    # Variance 0.09 * 2.25 - 2 * 0.02 * 1.5 + 0.04 at z = 1.5; t of 5 degrees 2.570582.
    half = 2.570582 * math.sqrt(0.09 * 2.25 - 0.06 + 0.04)
    assert risk.probability == pytest.approx(expit(2.0))
    assert (risk.low, risk.high) == (pytest.approx(expit(2 - half)), pytest.approx(expit(2 + half)))


def test_too_few_models_and_logits_that_are_no_numbers_give_no_interval() -> None:
    with pytest.raises(UserError, match="2 models"):
        risk_of([0.1, 0.2], Calibration())
    with pytest.raises(UserError, match="no number"):
        risk_of([0.1, float("inf"), 0.2], Calibration())


@dataclass
class Coverage:
    """Shares of new patients whose risk lies in the interval, or in the span of the fold models; of outcomes kept."""

    interval: float
    span: float
    conformal: float
    conformal_size: float
    width: float


def coverage(cohorts: list[Cohort]) -> Coverage:
    inside, spanned, kept, size, width = [], [], [], [], []
    for cohort in cohorts:
        calibration = fit_calibration(cohort.held_out, cohort.folds).calibration
        said = Outcomes.of(cohort.held_out.labels, expit(cohort.held_out.scores))
        conformal = Conformal.of(said, cohort.folds, per_outcome=False)
        for logits, truth, label in zip(cohort.new_logits, cohort.new_risk, cohort.new_labels, strict=True):
            risk = risk_of(logits, calibration)
            inside.append(risk.low <= truth <= risk.high)
            width.append(risk.high - risk.low)
            low, high = calibration.apply([logits.min(), logits.max()])
            spanned.append(low <= truth <= high)
            left = conformal.outcomes_left(expit(logits))
            kept.append(int(label) in left)
            size.append(len(left))
    return Coverage(*(float(np.mean(values)) for values in (inside, spanned, kept, size, width)))


@pytest.fixture(scope="module")
def exchangeable() -> Coverage:
    return coverage([simulate(seed) for seed in range(COHORTS)])


def test_nineteen_of_twenty_true_risks_lie_in_the_interval_of_a_42_patient_cohort(exchangeable: Coverage) -> None:
    # 1500 patients of 60 cohorts; patients of a cohort go wrong together, hence the margin.
    assert 0.90 <= exchangeable.interval <= 0.99


def test_the_mere_span_of_the_fold_models_would_have_been_far_too_narrow(exchangeable: Coverage) -> None:
    assert exchangeable.span < 0.6


def test_conformal_sets_keep_the_outcome_but_say_nothing_of_most_patients(exchangeable: Coverage) -> None:
    """Why the interval is what the report carries: the set is right as promised, and mostly holds both outcomes."""
    assert exchangeable.conformal >= 0.92
    assert exchangeable.conformal_size > 1.5


def test_measurements_that_are_off_break_both_promises_and_typicality_says_so(exchangeable: Coverage) -> None:
    cohorts = [simulate(seed, offset=3.0) for seed in range(8)]
    shifted = coverage(cohorts)
    assert shifted.interval < 0.8
    assert shifted.conformal < 0.6
    remarked, usual = [], []
    for seed, cohort in enumerate(cohorts):
        reference = fit_typicality([CaseDescription({}, features=(tuple(row),)) for row in cohort.features.tolist()])
        off, fresh = cohort.new_features, simulate(seed).new_features
        for kept, rows in ((remarked, off), (usual, fresh)):
            kept += [bool(reference.judge(CaseDescription({}, features=(tuple(r),))).unusual) for r in rows.tolist()]
    assert np.mean(remarked) > 0.95
    assert np.mean(usual) < 0.15


def test_a_noisier_network_gets_a_wider_interval() -> None:
    calm = risk_of([0.4, 0.5, 0.6, 0.5, 0.45, 0.55], Calibration())
    noisy = risk_of([0.0, 1.0, 0.6, 0.5, -0.5, 1.4], Calibration())
    assert calm.probability == pytest.approx(noisy.probability)
    assert noisy.low < calm.low < calm.high < noisy.high


PROBABILITIES, LABELS, FOLDS = [0.9, 0.6, 0.2, 0.1, 0.3, 0.7], [1, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 1]


def test_p_values_by_hand_among_all_and_within_the_outcome() -> None:
    # How well each fits what happened: 0.9 0.6 0.2 | 0.9 0.7 0.3. The new patient: 0.65 by fold 0, 0.25 by fold 1.
    everybody = Conformal.of(Outcomes.of(LABELS, PROBABILITIES), FOLDS, per_outcome=False)
    # Event: fold 0 has 0.9, 0.9, 0.7 (none <= 0.65); fold 1 has 0.6, 0.2, 0.3 (one <= 0.25).
    # No event: fold 0 none <= 0.35; fold 1 all three <= 0.75.
    assert everybody.p_values([0.65, 0.25]) == (pytest.approx(4 / 7), pytest.approx(2 / 7))
    within = Conformal.of(Outcomes.of(LABELS, PROBABILITIES), FOLDS)
    assert within.p_values([0.65, 0.25]) == (pytest.approx(2 / 4), pytest.approx(2 / 4))
    assert everybody.outcomes_left([0.65, 0.25], level=0.7) == (0,)
    assert everybody.outcomes_left([0.65, 0.25], level=0.95) == (0, 1)
    assert Conformal.from_dict(json.loads(json.dumps(within.to_dict()))) == within


def test_split_conformal_sets_hold_the_outcome_as_often_as_they_promise() -> None:
    rng = np.random.default_rng(5)
    kept = []
    for _ in range(1500):
        risk = expit(rng.normal(0, 2, 20))
        labels = (rng.random(20) < risk).astype(int)
        said = risk**2
        conformal = Conformal.of(Outcomes.of(labels[:19], said[:19]), [0] * 19, per_outcome=False)
        kept.append(int(labels[19]) in conformal.outcomes_left(said[19:], 0.9))
    # Exactly 0.9 without ties; two standard errors of 1500 draws are 0.016.
    assert np.mean(kept) == pytest.approx(0.9, abs=0.016)


def test_sixteen_events_are_too_few_to_exclude_the_event_at_95_percent() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([1] * 16 + [0] * 26)
    conformal = Conformal.of(Outcomes.of(labels, np.where(labels == 1, 0.9, 0.1) + rng.normal(0, 0.01, 42)), [0] * 42)
    assert conformal.p_values([0.0])[1] == pytest.approx(1 / 17)
    assert 1 in conformal.outcomes_left([0.0], 0.95)
    assert conformal.outcomes_left([0.0], 0.9) == (0,)


def test_a_conformal_part_that_does_not_fit_is_refused() -> None:
    good = Conformal.of(Outcomes.of(LABELS, PROBABILITIES), FOLDS)
    with pytest.raises(UserError, match="3 predictions for 2 folds"):
        good.p_values([0.1, 0.2, 0.3])
    with pytest.raises(UserError, match="numbered from 0"):
        Conformal.of(Outcomes.of(LABELS, PROBABILITIES), [1, 2, 2, 1, 1, 2])
    for broken in (
        [],
        {"per_outcome": True},
        {**good.to_dict(), "folds": ["x"] * 6},
        {**good.to_dict(), "labels": [1]},
    ):
        with pytest.raises(UserError):
            Conformal.from_dict(broken)
