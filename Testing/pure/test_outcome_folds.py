"""Folds: every patient once, outcomes even, the same for the same seed, and written down."""

from __future__ import annotations

import json

import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.training.outcome_folds import FoldPlan, make_folds


def cohort(positives: int, negatives: int) -> tuple[list[str], list[int]]:
    return [f"s{n:02d}" for n in range(positives + negatives)], [1] * positives + [0] * negatives


@pytest.mark.parametrize(("positives", "negatives"), [(24, 24), (16, 26), (13, 21)])
def test_each_patient_is_held_out_once_and_outcomes_are_even_within_one(positives: int, negatives: int) -> None:
    patients, labels = cohort(positives, negatives)
    plan = make_folds(patients, labels)
    assert len(plan.folds) == 6
    assert sorted(patient for fold in plan.folds for patient in fold) == patients
    sizes = [len(fold) for fold in plan.folds]
    events = [sum(labels[patients.index(patient)] for patient in fold) for fold in plan.folds]
    assert max(sizes) - min(sizes) <= 1
    assert max(events) - min(events) <= 1
    if positives == 24:
        assert (sizes, events) == ([8] * 6, [4] * 6)


def test_all_lesions_of_a_patient_are_in_one_fold_and_lesions_are_even() -> None:
    patients = [f"p{n:02d}" for n in range(30) for _ in range(1 + n % 3)]
    labels = [int(int(name[1:]) % 2 == 0) for name in patients]
    labels[0] = 1
    plan = make_folds(patients, labels, folds=5, seed=3)
    fold = plan.fold_of(patients)
    for name in set(patients):
        assert len({k for p, k in zip(patients, fold, strict=True) if p == name}) == 1
    lesions = [fold.count(k) for k in range(5)]
    assert max(lesions) - min(lesions) <= 2


def test_the_seed_decides_and_the_order_of_the_table_does_not() -> None:
    patients, labels = cohort(16, 26)
    plan = make_folds(patients, labels, seed=7)
    turned = make_folds(patients[::-1], labels[::-1], seed=7)
    assert plan == turned
    assert plan != make_folds(patients, labels, seed=8)
    assert FoldPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_a_patient_with_one_failed_lesion_counts_as_a_patient_with_the_event() -> None:
    patients, labels = ["a", "a", "b", "b", "c", "d"], [0, 1, 1, 0, 0, 0]
    plan = make_folds(patients, labels, folds=2)
    assert all(len(set(fold) & {"a", "b"}) == 1 for fold in plan.folds)


def test_folds_that_cannot_be_made_or_read_are_refused_in_plain_words() -> None:
    with pytest.raises(UserError, match="4 patients with outcome 1 cannot be dealt into 6 folds") as caught:
        make_folds(*cohort(4, 20))
    assert "at most 4 folds" in caught.value.remedy
    with pytest.raises(UserError, match="No patient of the training has the outcome 1") as caught:
        make_folds(*cohort(0, 20))
    assert "folds" not in caught.value.remedy, "fewer folds would not help"
    with pytest.raises(UserError, match="Only one patient of the training has the outcome 0, and 2 folds need 2"):
        make_folds(*cohort(6, 1), folds=2)
    with pytest.raises(UserError, match="outcome of 0 or 1"):
        make_folds(["a", "b"], [0, 2], folds=2)
    plan = make_folds(*cohort(6, 6))
    with pytest.raises(UserError, match="1 patients are in no fold"):
        plan.fold_of(["s00", "stranger"])
    for broken in ({}, {"seed": 0, "folds": 3}, None, {"seed": 0, "folds": [["a"], ["a"]]}):
        with pytest.raises(UserError):
            FoldPlan.from_dict(broken)
