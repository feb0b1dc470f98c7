"""Painting contrasts onto tissue maps, and the filters it is made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from test_planting import ball, made_up_brain

from LesionLensLib.training.contrast_synthesis import SynthesisRange, paint
from LesionLensLib.training.pool import tissue_shares
from LesionLensLib.training.torch_filters import gaussian_blur, neighbourhood_max, smooth_field, stretch

FLAT = SynthesisRange(grey_field=(0, 0), white_field=(0, 0), fluid_field=(0, 0), texture=(0, 0), spots=(0, 0))
FLUID, GREY, WHITE = ball((32, 32, 32), 4), ball((32, 32, 32), 26) & ~ball((32, 32, 32), 25), ball((32, 32, 18), 4)
LESION = ball((32, 32, 46), 4)


def painted(limits: SynthesisRange, seed: int) -> np.ndarray:
    brain = made_up_brain()
    shares = torch.from_numpy(tissue_shares(brain, LESION)).float() / 255
    return paint(shares, torch.from_numpy(LESION).float(), limits, np.random.default_rng(seed)).numpy()


@pytest.mark.parametrize("seed", range(5))
def test_what_defines_the_three_sequences_holds_for_every_random_contrast(seed: int) -> None:
    t1, t2, flair = painted(FLAT, seed)
    core = ball((32, 32, 46), 2)
    assert t1[FLUID].mean() < t1[WHITE].mean()
    assert t2[FLUID].mean() > 1.5 * t2[WHITE].mean()
    assert flair[FLUID].mean() < 0.5 * flair[WHITE].mean()
    assert flair[core].mean() > 1.1 * flair[WHITE].mean()
    assert t2[core].mean() > 1.03 * t2[WHITE].mean()
    assert t1[core].mean() <= 1.01 * t1[WHITE].mean()


def test_grey_matter_on_flair_ranges_from_as_dark_as_white_matter_to_far_brighter() -> None:
    images = [painted(FLAT, seed)[2] for seed in range(20)]
    ratios = [image[GREY].mean() / image[WHITE].mean() for image in images]
    assert min(ratios) < 1.05
    assert max(ratios) > 1.25


@pytest.mark.parametrize("seed", range(5))
def test_a_lesion_is_brighter_on_flair_than_a_cortex_without_regional_changes(seed: int) -> None:
    flair = painted(FLAT, seed)[2]
    assert flair[ball((32, 32, 46), 2)].mean() > 1.05 * flair[GREY].mean()


def test_the_images_are_zero_outside_the_brain_and_positive_inside() -> None:
    images, head = painted(SynthesisRange(), 3), ball((32, 32, 32), 28)
    assert not images[:, ~head].any()
    assert (images[:, head] > 0).all()


def test_the_same_seed_paints_the_same_brain_and_another_seed_another() -> None:
    assert np.array_equal(painted(SynthesisRange(), 1), painted(SynthesisRange(), 1))
    assert not np.allclose(painted(SynthesisRange(), 1), painted(SynthesisRange(), 2))


def test_spots_brighten_the_cortex_on_flair_alone() -> None:
    plain, spotted = painted(FLAT, 4), painted(replace(FLAT, spots=(200, 200)), 4)
    assert np.array_equal(plain[:2], spotted[:2])
    assert (spotted[2] - plain[2])[GREY].mean() > 0.05
    assert np.array_equal(plain[2][ball((32, 32, 18), 3)], spotted[2][ball((32, 32, 18), 3)])


def test_the_blur_is_the_gaussian_of_scipy() -> None:
    image = np.random.default_rng(0).random((21, 26, 33), np.float32)
    expected = ndimage.gaussian_filter(image, 1.2, mode="constant", truncate=2.5)
    assert gaussian_blur(torch.from_numpy(image), 1.2).numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("width", [3, 5])
def test_the_neighbourhood_maximum_is_that_of_max_pooling(width: int) -> None:
    image = torch.rand(13, 18, 11)
    expected = torch.nn.functional.max_pool3d(image[None], width, 1, width // 2)[0]
    assert torch.equal(neighbourhood_max(image, width), expected)


def test_stretching_is_trilinear_interpolation_corner_on_corner() -> None:
    coarse = torch.rand(4, 5, 3)
    expected = torch.nn.functional.interpolate(
        coarse[None, None], size=(17, 9, 22), mode="trilinear", align_corners=True
    )[0, 0]
    assert torch.allclose(stretch(coarse, (17, 9, 22)), expected, atol=1e-6)


def test_a_smooth_field_has_the_strength_that_was_asked_for() -> None:
    fields = [smooth_field((20, 20, 20), (5, 5, 5), 0.3, np.random.default_rng(seed))[0, 0, 0] for seed in range(400)]
    assert float(torch.stack(fields).std()) == pytest.approx(0.3, rel=0.15)
