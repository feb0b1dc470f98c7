"""The coils' shading divided out, alike for every image geometry, and asked for by the model card."""

import numpy as np
import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.inference.bias_field import correct_bias
from LesionLensLib.inference.normalize import normalize
from LesionLensLib.inference.prepared_channels import prepare_channels

SPACING_KJI_MM = (3.0, 1.5, 1.0)
SHAPE = (24, 48, 64)


def shaded_ball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a ball with folds of two tissues, the same with a field across it, and its mask, on anisotropic voxels."""
    kji = np.indices(SHAPE).astype(np.float32)
    mm = (kji - np.array(SHAPE).reshape(3, 1, 1, 1) / 2) * np.array(SPACING_KJI_MM).reshape(3, 1, 1, 1)
    distance = np.sqrt((mm**2).sum(axis=0))
    mask = distance < 30
    folds = np.floor(mm / 9).astype(int).sum(axis=0) % 2
    true = np.where(folds, 1000.0, 700.0) + np.random.default_rng(0).normal(0, 15, SHAPE)
    field = np.exp(0.012 * mm[2] - 0.008 * mm[1])
    return (true * mask).astype(np.float32), (true * field * mask).astype(np.float32), mask


def test_a_shading_of_half_the_brightness_is_divided_out() -> None:
    true, shaded, mask = shaded_ball()
    corrected = correct_bias(shaded, mask, SPACING_KJI_MM)
    inner = true > 900
    before, after = (image[inner].std() / image[inner].mean() for image in (shaded, corrected))
    assert before > 0.13
    assert after < 0.04


def test_an_image_without_shading_keeps_its_contrast() -> None:
    true, _, mask = shaded_ball()
    corrected = correct_bias(true, mask, SPACING_KJI_MM)
    ratio = corrected[mask] / true[mask]
    assert ratio.std() / ratio.mean() < 0.02


def test_the_same_image_gives_the_same_field_bit_for_bit() -> None:
    _, shaded, mask = shaded_ball()
    assert np.array_equal(correct_bias(shaded, mask, SPACING_KJI_MM), correct_bias(shaded, mask, SPACING_KJI_MM))


def test_an_image_of_nothing_positive_comes_back_as_it_is() -> None:
    dark = -np.ones(SHAPE, np.float32)
    assert np.array_equal(correct_bias(dark, np.ones(SHAPE), SPACING_KJI_MM), dark)


def test_the_card_decides_whether_the_shading_is_corrected() -> None:
    true, shaded, mask = shaded_ball()
    plain = prepare_channels([true, shaded], mask, SPACING_KJI_MM, "zscore-brain")
    assert np.array_equal(plain, np.stack([normalize(true, mask), normalize(shaded, mask)]))
    corrected = prepare_channels([true, shaded], mask, SPACING_KJI_MM, "n4-zscore-brain")
    error = [np.abs(scores[1] - scores[0])[mask].mean() for scores in (plain, corrected)]
    assert error[1] < 0.3 * error[0]


def test_a_normalization_that_does_not_exist_is_named() -> None:
    with pytest.raises(UserError, match="'whitening'"):
        prepare_channels([np.ones(SHAPE)], np.ones(SHAPE), SPACING_KJI_MM, "whitening")
