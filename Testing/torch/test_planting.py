"""Healing and planting on a small made-up brain whose tissues are known exactly."""

import numpy as np
import pytest

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.training.brain import CSF, GREY, WHITE, Brain, classify_tissue
from LesionLensLib.training.healing import (
    find_hyperintense_tissue,
    heal,
    keep_where_lesions_lie,
    where_lesions_lie,
)
from LesionLensLib.training.lesion_library import measure_lesion_contrast, small_lesions, tissue_unit
from LesionLensLib.training.planting import PlantingRange, draw_lesions, plant

LEVELS = {CSF: (100.0, 1600.0, 80.0), GREY: (700.0, 700.0, 500.0), WHITE: (1100.0, 480.0, 400.0)}
LESION_LEVEL = (800.0, 900.0, 720.0)
SIDE = 64


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    z, y, x = np.ogrid[:SIDE, :SIDE, :SIDE]
    return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2


def made_up_brain(with_lesion: bool = True, labelled: bool = True, noise: float = 12.0) -> Brain:
    rng = np.random.default_rng(3)
    head = ball((32, 32, 32), 28)
    tissue = np.zeros((SIDE, SIDE, SIDE), np.uint8)
    tissue[head], tissue[ball((32, 32, 32), 24)], tissue[ball((32, 32, 32), 6)] = GREY, WHITE, CSF
    channels = np.zeros((3, *tissue.shape), np.float32)
    for label, levels in LEVELS.items():
        channels[:, tissue == label] = np.array(levels, np.float32)[:, None]
    rim = head & ~ball((32, 32, 32), 26.5)
    tissue[rim] = CSF
    channels[:, rim] = (0.6 * np.array(LEVELS[CSF]) + 0.4 * np.array(LEVELS[GREY])).astype(np.float32)[:, None]
    lesion = ball((32, 32, 46), 4) if with_lesion else np.zeros(tissue.shape, bool)
    channels[:, lesion] = np.array(LESION_LEVEL, np.float32)[:, None]
    channels[:, head] += rng.normal(0, noise, (3, int(head.sum()))).astype(np.float32)
    nothing = np.zeros(tissue.shape, bool)
    grid = Grid((SIDE, SIDE, SIDE), (1, 1, 1), (0, 0, 0))
    return Brain("made-up", "made-up", channels, grid, head, tissue, nothing, lesion if labelled else None)


def test_the_three_tissues_are_told_apart_by_their_contrast() -> None:
    brain = made_up_brain(with_lesion=False)
    found = classify_tissue(brain.channels, brain.brain, np.zeros_like(brain.brain))
    assert (found == brain.tissue)[brain.brain].mean() > 0.99


def test_an_unlabelled_lesion_is_marked_as_suspect_and_healthy_tissue_is_not() -> None:
    brain = made_up_brain()
    suspect = find_hyperintense_tissue(brain.channels, brain.brain, brain.tissue)
    assert suspect[brain.lesion].mean() > 0.95
    assert suspect[ball((32, 32, 18), 4)].mean() < 0.05


def test_healing_turns_the_lesion_into_white_matter_and_leaves_the_rest_alone() -> None:
    brain = made_up_brain()
    healed = heal(brain, np.random.default_rng(0))
    inside = healed[:, ball((32, 32, 46), 3)].mean(axis=1)
    assert inside == pytest.approx(LEVELS[WHITE], rel=0.08)
    far = ball((32, 32, 14), 6)
    assert np.array_equal(healed[:, far], brain.channels[:, far])


def test_only_what_lies_where_lesions_lie_stays_suspect() -> None:
    grid = Grid((SIDE, SIDE, SIDE), (1, 1, 1), (0, 0, 0))
    masks = [Volume(ball((32, 32, 46), 3).astype(np.uint8), grid), Volume(ball((32, 32, 44), 3).astype(np.uint8), grid)]
    frequency = where_lesions_lie(masks)
    assert frequency.array[32, 32, 45] == pytest.approx(0.35, abs=0.15)
    assert frequency.array[32, 32, 10] == 0
    usual, unusual = ball((32, 32, 47), 3), ball((32, 50, 20), 3)
    assert np.array_equal(keep_where_lesions_lie(usual | unusual, frequency.array), usual)


def test_the_contrast_is_measured_in_units_of_white_matter_to_fluid() -> None:
    brain = made_up_brain(noise=2.0)
    contrast = measure_lesion_contrast(brain)
    assert len(contrast.mean) == 1
    assert tissue_unit(brain.channels, brain).ravel() == pytest.approx([1000, 1120, 320], rel=0.02)
    assert contrast.mean[0] == pytest.approx([-0.3, 0.375, 1.0], abs=0.03)


def test_a_brain_without_a_label_has_no_contrast_to_measure() -> None:
    with pytest.raises(ValueError, match="no complete lesion label"):
        measure_lesion_contrast(made_up_brain(labelled=False))


def test_a_planted_lesion_is_bright_on_flair_exactly_where_its_label_is_and_never_in_fluid() -> None:
    brain = made_up_brain()
    contrast, rng = measure_lesion_contrast(brain), np.random.default_rng(1)
    outline = ball((32, 46, 32), 5) | ball((32, 32, 26), 6)
    limits = PlantingRange(
        keep_share=(1.0, 1.0), scattered=(0, 0), decoys=(0, 0), cavity_chance=0.0, flair_factor=(1, 1)
    )
    healed = heal(brain, np.random.default_rng(0))
    lesion = draw_lesions(outline, brain, small_lesions([outline]), limits, rng)
    planted = plant(healed, brain, lesion, contrast, limits, rng)
    assert lesion.any()
    assert not lesion[brain.tissue == CSF].any()
    assert not lesion[~outline].any()
    core = ball((32, 46, 32), 3)
    assert planted[2][core].mean() - healed[2][core].mean() > 150
    untouched = ball((32, 14, 32), 5)
    assert planted[:, untouched] == pytest.approx(healed[:, untouched])


def test_the_same_seed_plants_the_same_patient() -> None:
    brain = made_up_brain()
    contrast, outline = measure_lesion_contrast(brain), ball((32, 46, 32), 5)
    healed, library = heal(brain, np.random.default_rng(0)), small_lesions([outline, ball((9, 9, 9), 2)])
    lesions, channels = [], []
    for rng in (np.random.default_rng(5), np.random.default_rng(5)):
        lesions.append(draw_lesions(outline, brain, library, PlantingRange(), rng))
        channels.append(plant(healed, brain, lesions[-1], contrast, PlantingRange(), rng))
    assert np.array_equal(*lesions)
    assert np.array_equal(*channels)
