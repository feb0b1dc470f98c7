"""Overlap, averages, intervals and lesion detection on masks small enough to count by hand."""

import math

import numpy as np
import pytest

from LesionLensLib.baseline import fit_flair_threshold
from LesionLensLib.metrics import block_counts, detect, dice, estimate, iou, sample_average, voxel_average


def masks() -> tuple[np.ndarray, np.ndarray]:
    found, truth = np.zeros((8, 8, 8), bool), np.zeros((8, 8, 8), bool)
    found[0, 0, 0:6] = True
    truth[0, 0, 2:8] = True
    return found, truth


def test_dice_and_iou_of_four_shared_voxels_out_of_six_and_six() -> None:
    counts = block_counts(*masks(), (1.0, 1.0, 1.0))
    assert counts.sum(axis=0).tolist() == [4, 2, 2]
    assert dice(counts) == pytest.approx(8 / 12)
    assert iou(counts) == pytest.approx(4 / 8)
    assert iou(counts) == pytest.approx(dice(counts) / (2 - dice(counts)))


def test_cubes_are_cut_in_millimetres_along_the_right_axes() -> None:
    found, truth = masks()
    counts = block_counts(found, truth, (2.0, 9.0, 9.0), block_mm=8.0)
    assert counts.tolist() == [[2, 2, 0], [2, 0, 2]]


def test_sample_average_weighs_patients_and_voxel_average_weighs_voxels() -> None:
    large, small = np.array([[90.0, 10, 10]]), np.array([[1.0, 1, 1]])
    assert sample_average([large, small], dice) == pytest.approx((0.9 + 0.5) / 2)
    assert voxel_average([large, small], dice) == pytest.approx(182 / (182 + 22))


def test_a_patient_without_any_lesion_does_not_enter_the_sample_average() -> None:
    nothing = np.empty((0, 3))
    assert math.isnan(dice(nothing))
    assert sample_average([np.array([[1.0, 1, 1]]), nothing], dice) == pytest.approx(0.5)


def test_the_interval_of_identical_cubes_has_no_width_and_that_of_unlike_cubes_has() -> None:
    def pooled(drawn: list[np.ndarray]) -> float:
        return voxel_average(drawn, dice)

    same = estimate([np.tile([[5.0, 1, 1]], (10, 1))], pooled, repeats=200)
    unlike = estimate([np.array([[10.0, 0, 0], [0, 10, 10], [5, 5, 5], [9, 1, 1]])], pooled, repeats=200)
    assert same.low == same.value == same.high == pytest.approx(10 / 12)
    assert unlike.low < unlike.value < unlike.high
    assert unlike.to_dict()["patients"] == 1


def test_two_found_specks_of_which_one_touches_the_only_lesion() -> None:
    found, truth = np.zeros((9, 9, 9), bool), np.zeros((9, 9, 9), bool)
    truth[1:3, 1:3, 1:3] = True
    found[2, 2, 2:6] = True
    found[7, 7, 4:8] = True
    result = detect(found, truth)
    assert (result.true_lesions, result.hit_lesions, result.found_lesions, result.confirmed_lesions) == (1, 1, 2, 1)
    assert result.sensitivity == 1.0
    assert result.precision == 0.5


def test_lesions_that_touch_by_a_corner_are_one_lesion() -> None:
    truth = np.zeros((4, 4, 4), bool)
    truth[0, 0, 0:3] = truth[1, 1, 3] = True
    assert detect(truth, truth).true_lesions == 1


def test_the_fitted_flair_threshold_separates_what_one_number_can_separate() -> None:
    rng = np.random.default_rng(0)
    brain = np.ones((12, 12, 12), bool)
    lesion = np.zeros_like(brain)
    lesion[3:6, 3:6, 3:6] = True
    flair = np.where(lesion, 200.0, 100.0) + rng.normal(0, 3, brain.shape)
    threshold = fit_flair_threshold([(flair, brain, lesion)])
    assert 1.05 < threshold.multiple < 1.95
    assert np.array_equal(threshold.segment(flair, brain), lesion)
    assert np.array_equal(threshold.segment(7 * flair, brain), lesion), "the scanner's gain must not matter"
