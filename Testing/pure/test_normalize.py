"""The normalisation is exactly the one written in the model card."""

from __future__ import annotations

import numpy as np
import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.inference.normalize import normalize


def test_scores_are_clipped_at_the_percentiles_then_centred_and_scaled_over_the_brain() -> None:
    array = np.arange(2000, dtype=np.int16).reshape(10, 10, 20)
    mask = np.zeros(array.shape, np.uint8)
    mask[:, :, :10] = 1
    values = array[mask == 1].astype(float)
    low, high = np.percentile(values, [0.5, 99.5])
    clipped = np.clip(values, low, high)
    scores = normalize(array, mask)
    assert scores.dtype == np.float32
    assert scores[mask == 1] == pytest.approx((clipped - clipped.mean()) / clipped.std(), abs=1e-5)
    assert np.all(scores[mask == 0] == 0)


def test_one_glaring_voxel_hardly_moves_the_scale() -> None:
    rng = np.random.default_rng(1)
    array = rng.normal(100, 10, (20, 20, 20)).astype(np.float32)
    mask = np.ones(array.shape, bool)
    before = normalize(array, mask)
    array[5, 5, 5] = 1e6
    after = normalize(array, mask)
    other = np.ones(array.shape, bool)
    other[5, 5, 5] = False
    assert np.abs(after - before)[other].max() < 0.02


def test_other_units_of_the_scanner_change_nothing() -> None:
    rng = np.random.default_rng(2)
    array = rng.normal(50, 7, (12, 12, 12))
    mask = rng.random(array.shape) > 0.3
    assert normalize(array * 37.5 + 1000, mask) == pytest.approx(normalize(array, mask), abs=1e-4)


@pytest.mark.parametrize(
    ("array", "mask"),
    [(np.ones((3, 3, 3)), np.ones((3, 3, 3))), (np.arange(27.0).reshape(3, 3, 3), np.zeros((3, 3, 3)))],
)
def test_a_constant_image_or_an_empty_brain_is_a_user_error(array: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(UserError):
        normalize(array, mask)
