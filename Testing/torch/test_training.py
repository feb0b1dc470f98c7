"""Augmentation, batches, resuming and export of a training, on a tiny network and a made-up brain."""

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_planting import ball, made_up_brain

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.inference.brain_network import make_brain_network
from LesionLensLib.inference.network import load_model
from LesionLensLib.training.augmentation import (
    AugmentationRange,
    TrainingVolume,
    augment,
    change_grey_matter,
    jitter_scores,
)
from LesionLensLib.training.contrast_synthesis import SynthesisRange
from LesionLensLib.training.export import export_model
from LesionLensLib.training.history import read_history
from LesionLensLib.training.pool import CropStream, PoolEntry, tissue_shares
from LesionLensLib.training.recipe import Recipe
from LesionLensLib.training.trainer import learning_rate, make_state, train
from LesionLensLib.training.training_log import cut_log

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPE = Recipe(base_width=8, steps=4, crops_per_volume=1, crop=(16, 16, 16), warm_up_steps=2, averaging=0.5,
                precision="fp32")  # fmt: skip


def pool() -> list[PoolEntry]:
    brain = made_up_brain()
    channels, shares = brain.channels.astype(np.float16), tissue_shares(brain, brain.lesion)
    return [
        PoolEntry("real", True, True, channels, brain.brain, brain.lesion, shares),
        PoolEntry("planted", False, False, channels, brain.brain, ball((32, 20, 32), 4), shares),
        PoolEntry("anatomy", False, False, None, brain.brain, ball((32, 20, 32), 4), shares),
    ]


def volume() -> TrainingVolume:
    brain = made_up_brain()
    masks = [torch.from_numpy(mask.astype(np.float32)) for mask in (brain.brain, brain.lesion)]
    grey = torch.from_numpy(tissue_shares(brain, brain.lesion)[1] / 255).float()
    return TrainingVolume(torch.from_numpy(brain.channels), *masks, torch.zeros_like(masks[0]), grey)


def test_label_and_image_move_together() -> None:
    limits = AugmentationRange(
        misalignment_chance=0, thick_slice_chance=0, noise_chance=0, blur_chance=0, bias_strength=0
    )
    changed = augment(volume(), limits, np.random.default_rng(4))
    inside, around = changed.lesion > 0, changed.brain > 0
    assert inside.sum() > 100
    flair = changed.images[2]
    assert flair[inside].median() > 1.3 * flair[around & ~inside].median()


def test_regional_brightness_of_cortex_reaches_flair_and_t2_and_leaves_white_matter() -> None:
    still = AugmentationRange(grey_chance=1, grey_t1=(0, 0), grey_t2=(0, 0), grey_flair=(0, 0))
    before = volume()
    changed = change_grey_matter(before, replace(still, grey_patch_flair=(0.3, 0.3)), np.random.default_rng(1))
    t1, t2, flair = (changed.images - before.images)
    cortex, white = before.grey > 0.9, (before.grey == 0) & (before.brain > 0)
    assert not t1.any()
    assert float(flair[cortex].max()) > 0.1 * float(before.images[2].max())
    assert 0 <= float(t2[cortex].mean()) < float(flair[cortex].mean())
    assert not flair[white].any()


def test_turning_does_not_stretch_a_volume_whose_sides_differ() -> None:
    """A rotation in torch's unit cube shears a volume that is no cube; the sampling must undo that."""
    narrow = volume()
    cut = TrainingVolume(narrow.images[:, :, :, 8:56], narrow.brain[:, :, 8:56], narrow.lesion[:, :, 8:56],
                         narrow.ignored[:, :, 8:56], narrow.grey[:, :, 8:56])  # fmt: skip
    limits = AugmentationRange(rotation_degrees=30, scale=0, misalignment_chance=0, thick_slice_chance=0, mask_chance=0)
    changed = augment(cut, limits, np.random.default_rng(2))
    assert float(changed.lesion.sum()) == pytest.approx(float(cut.lesion.sum()), rel=0.08)
    spots = torch.nonzero(changed.lesion).float()
    assert spots.std(0).max() / spots.std(0).min() < 1.15, "a ball must stay a ball"


def test_batch_n_depends_on_the_seed_and_n_alone() -> None:
    first, again = CropStream(pool(), RECIPE).batch(3), CropStream(pool(), RECIPE, first=3)
    torch.set_num_threads(1)
    for one, other in zip(first, next(iter(again)), strict=True):
        assert torch.equal(one, other)
    assert first[0].shape == (1, 3, 16, 16, 16)
    assert not torch.equal(first[0], CropStream(pool(), RECIPE).batch(4)[0])


def test_batches_of_one_volume_are_different_crops_of_the_same_change() -> None:
    stream = CropStream(pool()[:1], replace(RECIPE, batches_per_volume=2, crop=(64, 64, 64)))
    first, second, third = (stream.batch(number)[0] for number in (4, 5, 6))
    assert torch.equal(first, second), "a crop as large as the volume shows the volume"
    assert not torch.equal(second, third)
    alone = CropStream(pool()[:1], stream.recipe).batch(5)[0]
    assert torch.equal(alone, second), "batch n depends on the seed and n alone"


def test_the_report_of_a_continued_run_knows_which_recipe_trained_which_steps(tmp_path: Path) -> None:
    device = torch.device("cpu")
    train(RECIPE, pool(), tmp_path, device, lambda step, text: None, should_stop=lambda step: step == 2)
    train(replace(RECIPE, seed=7), pool(), tmp_path, device, lambda step, text: None)
    assert [(entry["from_step"], entry["recipe"]["seed"]) for entry in read_history(tmp_path)] == [(0, 0), (2, 7)]


def test_labelled_brains_stay_out_until_their_step_and_then_join() -> None:
    recipe = replace(RECIPE, labelled_from_step=10, real_share=0.5)
    stream = CropStream(pool(), recipe)
    rng = np.random.default_rng(0)
    before = {stream._choose(rng, number).name for number in range(10) for _ in range(20)}
    after = {stream._choose(rng, 10).name for _ in range(40)}
    assert before == {"planted", "anatomy"}
    assert after == {"real", "planted", "anatomy"}


def test_a_volume_without_images_is_always_painted_and_others_only_by_chance() -> None:
    never = CropStream(pool(), replace(RECIPE, synthesis=SynthesisRange(chance=0.0)))
    planted, anatomy = never.pool[1], never.pool[2]
    kept = never._volume(planted, np.random.default_rng(0))
    assert torch.equal(kept.images, torch.from_numpy(planted.channels.astype(np.float32)))
    painted = never._volume(anatomy, np.random.default_rng(0))
    assert painted.grey is None
    assert bool((painted.images[:, painted.brain > 0] > 0).all())


def test_the_rate_warms_up_and_then_falls_to_a_hundredth() -> None:
    recipe = Recipe(steps=100, warm_up_steps=10, learning_rate=1e-3)
    rates = [learning_rate(recipe, step) for step in (0, 9, 10, 55, 100)]
    assert rates == pytest.approx([1e-4, 1e-3, 1e-3, 5.05e-4, 1e-5])


def test_the_final_stage_sees_larger_crops_at_a_rate_of_its_own() -> None:
    recipe = Recipe.from_dict({**RECIPE.to_dict(), "final_steps": 10, "final_crop": [24, 24, 24]})
    assert CropStream(pool(), recipe).batch(recipe.steps)[0].shape == (2, 3, 24, 24, 24)
    assert learning_rate(recipe, recipe.steps) == pytest.approx(5e-4)
    assert learning_rate(recipe, recipe.all_steps) == pytest.approx(5e-6)


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    whole = train(RECIPE, pool(), tmp_path / "whole", cpu, lambda step, text: None)
    half = train(RECIPE, pool(), tmp_path / "broken", cpu, lambda step, text: None, should_stop=lambda step: step == 2)
    assert half.step == 2
    resumed = train(RECIPE, pool(), tmp_path / "broken", cpu, lambda step, text: None)
    assert resumed.step == whole.step == RECIPE.steps
    for name, value in whole.average.items():
        assert torch.allclose(value, resumed.average[name], atol=1e-6), name
    fresh = make_state(RECIPE, cpu).network.state_dict()
    assert any(not torch.equal(fresh[name], value) for name, value in whole.average.items())


def test_an_exported_model_is_found_verified_and_loaded(tmp_path: Path) -> None:
    recipe = Recipe.read(REPOSITORY / "Resources" / "Recipes" / "rsanet-ms-first.yaml")
    recipe = Recipe.from_dict({**recipe.to_dict(), "base_width": 8})
    network, brain = make_state(recipe, torch.device("cpu")).average, make_brain_network(3).state_dict()
    export_model(recipe, network, brain, {"steps": 0}, tmp_path)
    card = find_card(str(tmp_path))
    assert card.weights.sha256 == hashlib.sha256((tmp_path / "weights.safetensors").read_bytes()).hexdigest()
    assert card.roles == ("T1", "T2", "FLAIR")
    model = load_model(card)
    assert set(model.brain_weights) == set(brain)
    expected = network["stem.weight"].half().float()
    assert torch.equal(model.network.state_dict()["stem.weight"], expected)
    assert json.loads((tmp_path / "training-report.json").read_text()) == {"steps": 0}


def test_the_log_holds_a_row_every_twenty_steps(tmp_path: Path) -> None:
    recipe = Recipe.from_dict({**RECIPE.to_dict(), "steps": 20, "crop": [16, 16, 16]})
    train(recipe, pool(), tmp_path, torch.device("cpu"), lambda step, text: None)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["20"]
    cut_log(tmp_path, 19)
    head = ["step,loss,learning_rate,seconds,seconds_per_step,memory_mb"]
    assert (tmp_path / "metrics.csv").read_text().splitlines() == head
    assert 0 < float(rows[0]["loss"]) < 5
    assert 0 < float(rows[0]["seconds_per_step"]) < 60
    assert 50 < float(rows[0]["memory_mb"]) < 20_000


@pytest.mark.parametrize("record", [{"stepz": 3}, {"planting": {"nonsense": 1}}])
def test_an_unknown_setting_is_refused_by_name(record: dict[str, object]) -> None:
    with pytest.raises(UserError, match="has no setting called"):
        Recipe.from_dict(record)


def test_jittered_scores_keep_their_order_inside_the_brain_and_stay_zero_outside() -> None:
    images, brain = torch.randn(3, 4, 4, 4), torch.zeros(4, 4, 4)
    brain[1:3] = 1
    jittered = jitter_scores(images * brain, brain, AugmentationRange(), np.random.default_rng(0))
    assert not jittered[:, brain == 0].any()
    for before, after in zip(images[:, brain > 0], jittered[:, brain > 0], strict=True):
        assert torch.equal(before.argsort(), after.argsort())
        assert not torch.allclose(before, after)
