"""Figures of outcome models from counts, against the printed tables of the two papers, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.bootstrap import bootstrap_interval, draws
from LesionLensLib.outcome.confusion import Confusion, confusion, share_figure
from LesionLensLib.outcome.judge import auc_by_fold, judge
from LesionLensLib.outcome.outcomes import Outcomes

# Jalalifar et al. 2022, Table S3, independent test (17 failures, 23 controlled): TP, TN, then as printed.
S3_TEST = [
    (12, 20, "80", "71", "87", "75"),
    (14, 18, "80", "82.4", "78", "77.8"),
    (14, 18, "80", "82.4", "78.2", "77.8"),
    (15, 17, "80", "88.2", "73.9", "78.9"),
    (13, 20, "82.5", "76.5", "87", "78.8"),
    (14, 19, "82.5", "82.4", "82.6", "80"),
]
# Table S2, validation (6 failures, 9 controlled): TP, TN, accuracy, sensitivity, specificity.
S2 = [
    (4, 8, "80", "66.7", "88.9"),
    (5, 7, "80", "83.3", "77.8"),
    (6, 6, "80", "100", "66.7"),
    (5, 8, "86.7", "83.3", "88.9"),
    (4, 5, "60", "66.7", "55.6"),
    (4, 7, "73.3", "66.7", "77.8"),
    (5, 6, "73.3", "83.3", "66.7"),
    (6, 7, "86.7", "100", "77.8"),
]
# Peng et al., 24 patients with and 24 without metastasis: accuracy, sensitivity, specificity, precision, F1.
CHMFL_TABLES = {
    "HC+RF": ".750 .792 .708 .731 .760",
    "CNLPC": ".729 .792 .667 .703 .745",
    "Mask+HMFL": ".813 .750 .875 .857 .800",
    "CFL": ".813 .958 .667 .742 .836",
    "CHMFL": ".854 .875 .833 .840 .857",
    "2D-CT": ".583 .708 .458 .567 .630",
    "2D-PET": ".729 .542 .917 .867 .667",
    "3D-CT": ".667 .667 .667 .667 .667",
    "3D-PET": ".771 .750 .792 .783 .766",
    "3D-PET-CT": ".792 .792 .792 .792 .792",
    "ResNet18": ".729 .708 .750 .739 .723",
    "ResNet18 pretrained": ".792 .875 .708 .750 .808",
    "ResNet34": ".708 .667 .750 .727 .696",
    "ResNet34 pretrained": ".750 .708 .792 .773 .739",
    "ResNet50": ".729 .667 .792 .762 .711",
    "ResNet50 pretrained": ".750 .833 .667 .714 .769",
    "CHMFL+R18 pretrained": ".792 .917 .667 .733 .815",
    "CHMFL+R34": ".729 .750 .708 .720 .735",
    "CHMFL+R34 pretrained": ".771 .833 .708 .741 .784",
    "CHMFL+R50": ".729 .625 .833 .790 .698",
    "CHMFL+R50 pretrained": ".771 .875 .667 .724 .793",
    "GN_c4": ".729 .583 .875 .824 .683",
    "GN_c8": ".771 .792 .750 .760 .775",
    "GN_c16": ".833 .875 .792 .808 .840",
}
NAMES = ("accuracy", "sensitivity", "specificity", "precision", "f1")


def prints_as(value: float | None, printed: str) -> bool:
    """Whether a figure may be printed so; the papers round, and now and then cut off."""
    digits = len(printed.partition(".")[2])
    return value is not None and abs(value - float(printed)) < 10.0**-digits


def counts(tp: int, tn: int, positives: int, negatives: int) -> Confusion:
    return Confusion(tp, positives - tp, tn, negatives - tn)


def implied_counts(row: str, positives: int, negatives: int) -> list[tuple[int, int]]:
    """Return every (TP, TN) from which all the printed figures can come."""
    found = []
    for tp in range(positives + 1):
        for tn in range(negatives + 1):
            figures = counts(tp, tn, positives, negatives).figures()
            if all(prints_as(figures[name], text) for name, text in zip(NAMES, row.split(), strict=True)):
                found.append((tp, tn))
    return found


@pytest.mark.parametrize(("tp", "tn", "accuracy", "sensitivity", "specificity", "f1"), S3_TEST)
def test_the_counts_of_the_brain_papers_test_patients_give_its_printed_row(
    tp: int, tn: int, accuracy: str, sensitivity: str, specificity: str, f1: str
) -> None:
    figures = counts(tp, tn, 17, 23).figures()
    printed = (accuracy, sensitivity, specificity, f1)
    for name, text in zip(("accuracy", "sensitivity", "specificity", "f1"), printed, strict=True):
        assert prints_as(100 * (figures[name] or 0.0), text), name


@pytest.mark.parametrize(("tp", "tn", "accuracy", "sensitivity", "specificity"), S2)
def test_the_counts_of_the_brain_papers_validation_patients_give_its_printed_row(
    tp: int, tn: int, accuracy: str, sensitivity: str, specificity: str
) -> None:
    figures = counts(tp, tn, 6, 9).figures()
    for name, text in zip(
        ("accuracy", "sensitivity", "specificity"), (accuracy, sensitivity, specificity), strict=True
    ):
        assert prints_as(100 * (figures[name] or 0.0), text), name


@pytest.mark.parametrize("row", CHMFL_TABLES)
def test_every_row_of_the_sarcoma_papers_tables_comes_from_exactly_one_pair_of_counts(row: str) -> None:
    found = implied_counts(CHMFL_TABLES[row], 24, 24)
    assert len(found) == 1
    if row == "CHMFL":
        assert found == [(21, 20)]


def test_the_two_misprinted_rows_of_the_sarcoma_paper_come_from_no_counts() -> None:
    assert implied_counts(".729 .750 .780 .720 .750", 24, 24) == []
    assert implied_counts(".854 .917 .797 .813 .862", 24, 24) == []
    assert implied_counts(".854 .917 .792 .815 .863", 24, 24) == [(22, 19)]


def test_figures_without_a_denominator_are_none_and_not_zero() -> None:
    nobody_positive = Confusion(0, 0, 5, 0).figures()
    assert nobody_positive["specificity"] == 1.0
    assert [nobody_positive[name] for name in ("sensitivity", "precision", "f1", "balanced_accuracy")] == [None] * 4
    assert Confusion(0, 3, 5, 0).figures()["sensitivity"] == 0.0
    assert Confusion(0, 3, 5, 0).figures()["f1"] == 0.0
    assert set(Confusion(0, 0, 0, 0).figures().values()) == {None}
    assert share_figure(0, 0).to_dict() == {
        "value": None, "low": None, "high": None, "patients": 0, "cases": 0, "method": "wilson",
    }  # fmt: skip
    with pytest.raises(UserError, match="negative"):
        Confusion(1, -1, 0, 0)


def test_predictions_are_counted_into_the_right_cells() -> None:
    assert confusion([1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0]) == Confusion(2, 1, 3, 1)


def test_the_interval_of_eight_right_out_of_eight_reaches_down_to_two_thirds() -> None:
    # Wilson: n / (n + z^2) with z = 1.95996.
    assert share_figure(8, 8).low == pytest.approx(8 / (8 + 1.959964**2), abs=1e-6)
    assert share_figure(8, 8).high == pytest.approx(1.0)


def test_each_figure_stands_beside_the_patients_it_is_computed_from() -> None:
    outcomes = Outcomes.of([1, 1, 1, 0, 0, 0, 0, 0], [0.9, 0.8, 0.5, 0.6, 0.2, 0.1, 0.3, 0.4])
    figures = judge(outcomes, repeats=200)
    found = {name: (figure.value, figure.patients) for name, figure in figures.items()}
    assert found["sensitivity"] == (1.0, 3)
    assert found["specificity"] == (0.8, 5)
    assert found["precision"] == (0.75, 4)
    assert found["negative_predictive_value"] == (1.0, 4)
    assert found["accuracy"] == (7 / 8, 8)
    assert found["f1"] == (pytest.approx(6 / 7), 8)
    assert found["auc"] == (pytest.approx(14 / 15), 8)
    assert figures["f1"].method == "bootstrap"
    assert figures["auc"].method == "delong"
    assert str(figures["specificity"]).endswith("(5 patients)")


def test_lesions_of_one_patient_are_drawn_together_and_counted_as_one_patient() -> None:
    patients = ["a", "a", "b", "c", "c", "c"]
    outcomes = Outcomes.of([1, 0, 1, 0, 0, 1], [0.9, 0.2, 0.8, 0.1, 0.5, 0.4], patients)
    assert not outcomes.independent
    for drawn in draws(outcomes.groups, 50):
        number = np.bincount(drawn, minlength=6)
        assert number[0] == number[1]
        assert number[3] == number[4] == number[5]
        assert number[0] + number[2] + number[3] == 3
    figures = judge(outcomes, repeats=300)
    assert (figures["sensitivity"].patients, figures["sensitivity"].cases) == (3, 3)
    assert (figures["specificity"].patients, figures["specificity"].cases) == (2, 3)
    assert figures["accuracy"].method == figures["auc"].method == "bootstrap"


def test_doubling_every_patient_into_two_equal_lesions_does_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(4)
    labels = (rng.random(30) < 0.4).astype(int)
    scores = labels + rng.normal(0, 1, 30)
    names = [str(n) for n in range(30)]

    def width(repeat: int) -> float:
        outcomes = Outcomes.of(np.repeat(labels, repeat), np.repeat(scores, repeat), np.repeat(names, repeat).tolist())
        low, high = bootstrap_interval(outcomes.groups, lambda drawn: float(outcomes.scores[drawn].mean()), 400)
        assert low is not None
        assert high is not None
        return high - low

    assert width(2) == pytest.approx(width(1), rel=1e-9)


def test_draws_without_a_positive_patient_are_left_out_and_too_few_draws_give_no_interval() -> None:
    outcomes = Outcomes.of([1, 0, 0], [0.9, 0.1, 0.2])
    never = bootstrap_interval(outcomes.groups, lambda drawn: None, 200)
    some = bootstrap_interval(outcomes.groups, lambda drawn: 1.0 if outcomes.labels[drawn].any() else None, 300)
    assert never == (None, None)
    assert some == (1.0, 1.0)
    with pytest.raises(UserError, match="draws"):
        bootstrap_interval(outcomes.groups, lambda drawn: 1.0, 10)


def test_areas_within_folds_are_none_where_an_outcome_is_missing() -> None:
    outcomes = Outcomes.of([1, 0, 0, 0, 1, 0], [0.9, 0.1, 0.2, 0.3, 0.4, 0.6])
    assert auc_by_fold(outcomes, [0, 0, 1, 1, 2, 2]) == {0: 1.0, 1: None, 2: 0.0}


@pytest.mark.parametrize(
    ("labels", "scores", "patients", "words"),
    [
        ([], [], None, "no case"),
        ([0, 2], [0.1, 0.2], None, "neither 0 nor 1"),
        ([0, 1], [0.1], None, "2 outcomes, 1 predictions"),
        ([0, 1], [0.1, float("nan")], None, "finite"),
        ([0, 1], [0.1, 0.2], ["a"], "1 patients"),
    ],
)
def test_outcomes_that_cannot_be_judged_are_refused_in_plain_words(
    labels: list[int], scores: list[float], patients: list[str] | None, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        Outcomes.of(labels, scores, patients)
