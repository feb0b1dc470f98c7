"""PET and CT before the network: clipped, contrast-normalised unless switched off, standardised."""

from __future__ import annotations

import numpy as np
import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.inference.pet_ct_normalize import (
    CT_HU,
    CT_HU_PHYSICAL,
    PET_SUV,
    PET_SUV_PHYSICAL,
    Intensities,
    normalize_box,
    normalize_contrast,
)

ISOTROPIC = (1.0, 1.0, 1.0)


def test_one_window_over_everything_gives_the_value_worked_out_by_hand() -> None:
    # Mean 3 and standard deviation sqrt(9.5) = 3.08: all but the 10 are background. Of 0, 1, 2, 2 the mean is 1.25 and
    # the variance (0 + 1 + 4 + 4) / 4 - 1.5625 = 0.6875.
    values = np.array([0.0, 1.0, 2.0, 2.0, 10.0]).reshape(1, 1, 5)
    expected = (values - 1.25) / np.sqrt(0.6875)
    np.testing.assert_allclose(normalize_contrast(values, ISOTROPIC, window_mm=1000.0), expected, rtol=1e-12)


def test_windows_along_an_axis_are_half_a_side_apart_and_interpolated() -> None:
    # Side 4 mm, step 1 mm: windows of the voxels 0-2, 0-4 and 2-4, with their middles at 1, 2 and 3. Window 0-2 has
    # (0, 6, 0): mean 2, sd sqrt(8) = 2.83, so the 6 is no background; nor is it in the others. The background are the
    # zeros, the level is 0 everywhere, and the contrast is its floor, 5 % of the global sqrt(8.64).
    values = np.array([0.0, 6.0, 0.0, 6.0, 0.0]).reshape(5, 1, 1)
    expected = values / (0.05 * np.sqrt(8.64))
    np.testing.assert_allclose(normalize_contrast(values, ISOTROPIC, window_mm=4.0), expected, rtol=1e-9, atol=1e-12)


def test_between_the_middles_of_windows_the_level_is_interpolated() -> None:
    # Side 4 mm, step 1 mm: windows 0-2, 0-4, 2-6, 4-6 with middles 1, 2, 4, 5, means 1, 2.2, 4.2, 5 and deviations
    # 0.82, 1.6, 1.33, 0.82. Only the first and last voxel (1 away) are no background. The background of the windows is
    # (1, 2), (1, 2, 4, 4), (2, 4, 4, 5), (4, 5): means 1.5, 2.75, 3.75, 4.5, variances 0.25, 1.6875, 1.1875, 0.25.
    values = np.array([0.0, 1.0, 2.0, 4.0, 4.0, 5.0, 6.0])
    level = np.array([1.5, 1.5, 2.75, (2.75 + 3.75) / 2, 3.75, 4.5, 4.5])
    first, second = np.sqrt(1.6875), np.sqrt(1.1875)
    contrast = np.array([0.5, 0.5, first, (first + second) / 2, second, 0.5, 0.5])
    result = normalize_contrast(values.reshape(1, 7, 1), ISOTROPIC, window_mm=4.0)
    np.testing.assert_allclose(result.ravel(), (values - level) / contrast, rtol=1e-9)


def test_the_window_is_measured_in_millimetres_along_each_axis() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(8, 12, 16))
    fine = normalize_contrast(values, (3.0, 1.0, 2.0), window_mm=6.0)
    np.testing.assert_allclose(normalize_contrast(values, (1.5, 0.5, 1.0), window_mm=3.0), fine)
    turned = normalize_contrast(values.transpose(2, 0, 1), (2.0, 3.0, 1.0), window_mm=6.0)
    np.testing.assert_allclose(turned.transpose(1, 2, 0), fine)
    assert not np.allclose(normalize_contrast(values, (1.0, 1.0, 2.0), window_mm=6.0), fine)


def test_gain_and_offset_of_the_whole_image_change_nothing() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=(10, 10, 10))
    once = normalize_contrast(values, ISOTROPIC, 6.0)
    np.testing.assert_allclose(normalize_contrast(1000.0 * values - 5000.0, ISOTROPIC, 6.0), once, rtol=1e-6, atol=1e-9)


def test_slow_changes_of_level_and_contrast_are_taken_away_and_a_hot_spot_stays() -> None:
    rng = np.random.default_rng(2)
    texture = rng.normal(size=(40, 20, 20))
    ramp = np.linspace(0.0, 1.0, 40)[:, None, None]
    image = 100.0 + 4.0 * ramp + (1.0 + 4.0 * ramp) * texture
    image[18:21, 9:12, 9:12] += 60.0
    result = normalize_contrast(image, ISOTROPIC, 12.0)
    low, high = slice(6, 12), slice(-12, -6)
    assert image[high].mean() - image[low].mean() > 2.0
    assert abs(result[high].mean() - result[low].mean()) < 0.1
    assert image[high].std() / image[low].std() > 2.0
    # A window of 12 voxels sees the contrast grow inside it, so the smaller one is not made quite equal.
    assert 0.8 < result[high].std() / result[low].std() < 1.25
    assert result[19, 10, 10] > 5 * result[low].std()


def test_flat_air_stays_finite_and_flat() -> None:
    image = np.zeros((20, 10, 10))
    image[12:] = np.random.default_rng(3).normal(50.0, 5.0, (8, 10, 10))
    result = normalize_contrast(image, ISOTROPIC, 6.0)
    assert np.isfinite(result).all()
    assert np.abs(result[:5]).max() < 1e-6


@pytest.mark.parametrize("treatment", [PET_SUV, CT_HU])
def test_values_are_clipped_first_and_the_result_has_mean_zero_and_deviation_one(treatment: Intensities) -> None:
    rng = np.random.default_rng(4)
    image = rng.normal(sum(treatment.clip) / 2, np.ptp(treatment.clip), (12, 12, 12))
    result = normalize_box(image, ISOTROPIC, treatment)
    assert result.dtype == np.float32
    assert (float(result.mean()), float(result.std())) == pytest.approx((0.0, 1.0), abs=1e-5)
    np.testing.assert_array_equal(normalize_box(np.clip(image, *treatment.clip), ISOTROPIC, treatment), result)


def test_with_the_contrast_step_off_only_clipping_and_z_scores_are_left() -> None:
    image = np.array([-5.0, 0.0, 10.0, 30.0, 99.0, 20.0]).reshape(1, 2, 3)
    # Clipped: 0, 0, 10, 30, 30, 20: mean 15, variance (225 + 225 + 25 + 225 + 225 + 25) / 6 = 158.333.
    expected = (np.array([0.0, 0.0, 10.0, 30.0, 30.0, 20.0]) - 15.0) / np.sqrt(950.0 / 6.0)
    off = normalize_box(image, ISOTROPIC, PET_SUV.without_contrast())
    np.testing.assert_allclose(off.ravel(), expected, rtol=1e-6)
    image = np.random.default_rng(5).gamma(2.0, size=(30, 30, 30))
    on, off = (normalize_box(image, ISOTROPIC, t) for t in (PET_SUV, PET_SUV.without_contrast()))
    assert np.abs(on - off).max() > 0.1


def test_physical_units_survive_where_they_are_asked_for() -> None:
    image = np.array([0.0, 2.5, 10.0, 45.0]).reshape(1, 2, 2)
    assert normalize_box(image, ISOTROPIC, PET_SUV_PHYSICAL).ravel() == pytest.approx([0.0, 0.25, 1.0, 3.0])
    hounsfield = np.array([-2000.0, 0.0, 50.0, 3000.0]).reshape(1, 2, 2)
    assert normalize_box(hounsfield, ISOTROPIC, CT_HU_PHYSICAL).ravel() == pytest.approx([-1.0, 0.0, 0.05, 1.0])
    assert np.all(normalize_box(np.zeros((2, 2, 2)), ISOTROPIC, PET_SUV_PHYSICAL) == 0.0)


def test_a_box_of_one_value_has_no_scale_and_is_named() -> None:
    with pytest.raises(UserError, match="The PET has the same value everywhere"):
        normalize_box(np.full((4, 4, 4), 2.0), ISOTROPIC, PET_SUV, "PET")
    with pytest.raises(UserError, match="The CT has the same value everywhere"):
        normalize_box(np.full((4, 4, 4), -3000.0), ISOTROPIC, CT_HU.without_contrast(), "CT")
