"""Painting contrasts onto tissue maps, and the filters it is made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from test_planting import ball, made_up_brain

from LesionLensLib.training.contrast_synthesis import SynthesisRange, paint, thin_out
from LesionLensLib.training.pool import tissue_shares
from LesionLensLib.training.torch_filters import gaussian_blur, neighbourhood_max, patches, smooth_field, stretch

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


def test_regions_of_cortex_are_brighter_on_flair_less_so_on_t2_and_white_matter_is_not() -> None:
    plain, patchy = painted(FLAT, 4), painted(replace(FLAT, grey_patch=(0.5, 0.5)), 4)
    t1, t2, flair = (patchy - plain)[:, GREY]
    assert np.percentile(flair, 95) == pytest.approx(0.5, abs=0.1)
    assert np.percentile(flair, 5) < 0.1, "some cortex stays as it was"
    assert 0 <= t2.mean() < 0.75 * flair.mean()
    assert -0.35 * flair.mean() < t1.mean() <= 0
    assert (patchy - plain)[:, ball((32, 32, 18), 2)] == pytest.approx(0, abs=0.02)


def test_white_matter_beside_fluid_is_brighter_on_flair_alone() -> None:
    plain, walled = painted(FLAT, 4), painted(replace(FLAT, wall=(0.8, 0.8)), 4)
    beside = ball((32, 32, 32), 6) & ~ball((32, 32, 32), 5)
    assert np.array_equal(plain[:2], walled[:2])
    assert (walled - plain)[2][beside].max() > 0.1
    assert np.abs(walled - plain)[2][WHITE].max() < 0.01


def test_patches_are_a_tenth_to_half_of_the_volume_with_both_ends_reached() -> None:
    fields = [patches((40, 48, 40), np.random.default_rng(seed)) for seed in range(20)]
    shares = [float((field > 0.5).float().mean()) for field in fields]
    assert 0.02 < min(shares) < 0.2
    assert 0.35 < max(shares) < 0.65
    assert all(float(field.max()) > 0.9 and float(field.min()) < 0.01 for field in fields)


def test_light_disease_keeps_whole_lesions_and_only_some_of_them() -> None:
    lesions = np.zeros((64, 64, 64), bool)
    for k in range(4, 60, 8):
        for j in range(4, 60, 8):
            lesions |= ball((k, j, 32), 2)
    assert thin_out(lesions, SynthesisRange(light_chance=0.0), np.random.default_rng(0)) is lesions
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(20):
        kept = thin_out(lesions, SynthesisRange(light_chance=1.0, light_share=(0.0, 0.5)), rng)
        labels, count = ndimage.label(kept)
        counts.append(count)
        assert not (kept & ~lesions).any()
        assert set(np.bincount(labels.ravel())[1:]) <= {int(ball((4, 4, 32), 2).sum())}
    assert min(counts) < 10 < max(counts) < 40


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
