"""Examples with known loads: what is drawn, how it moves, what is taught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from load_cases import LESIONS, RECIPE, SPACING_MM, lesion_ml, soil

from LesionLensLib.training.lesion_load.augmentation import LoadAugmentation, move
from LesionLensLib.training.lesion_load.examples import (
    STILL,
    LoadBatches,
    choose_parts,
    compose,
    draw_example,
    measure,
)
from LesionLensLib.training.lesion_load.recipe import LoadRange
from LesionLensLib.training.lesion_load.soil import LEFT, RIGHT, LoadSoil

CHANGED = LoadAugmentation(
    flip_chance=0.5, turn_degrees=8, scale=0.05, shift_mm=2, slip_mm=1, gamma=0.2, shading=0.1, noise=0.03, blur=0.5,
    outline_chance=0.5, gain=0.1, offset=0.1,
)  # fmt: skip


def everything(planted: LoadSoil) -> np.ndarray:
    return np.ones(len(planted.sides), bool)


def loads(planted: LoadSoil, keep: np.ndarray, **changes: bool) -> list[float]:
    return measure(compose(planted, keep, 1.0, **changes)[1], SPACING_MM).tolist()


def test_the_parts_hold_every_lesion_once_and_one_across_the_midline_twice() -> None:
    planted = soil()
    assert len(planted.sides) == 1 + len(LESIONS) + 1
    assert sorted(planted.sides[1:]) == [LEFT] * 3 + [RIGHT] * 3
    for side, truth in zip((LEFT, RIGHT), lesion_ml(), strict=True):
        assert planted.part_ml[planted.sides == side].sum() == pytest.approx(truth, rel=0.04)
    assert loads(planted, everything(planted))[1:] == pytest.approx(lesion_ml(), rel=0.04)


def test_a_part_brings_its_load_and_its_brightness_and_nothing_else_changes() -> None:
    planted = soil()
    nothing = np.zeros(len(planted.sides), bool)
    nothing[0] = True
    before, no_share = compose(planted, nothing, 1.0)
    assert not no_share.any()
    part = int(np.argmax(planted.part_ml * (planted.sides == RIGHT)))
    one = nothing.copy()
    one[part] = True
    after, _ = compose(planted, one, 1.0)
    total, left, right = loads(planted, one)
    assert (total, right) == pytest.approx((planted.part_ml[part],) * 2, rel=1e-3)
    assert left == 0
    changed = (after - before)[1]
    assert float(changed[torch.from_numpy(planted.parts == part)].max()) > 120
    assert not changed[torch.from_numpy(planted.parts != part)].any()
    # What planting added outside lesions is no lesion: it is always there.
    bare = torch.from_numpy(planted.healed.astype(np.float32))
    assert 10 < float((before - bare)[1].max()) < 90


def test_mirroring_swaps_left_and_right_and_stretching_scales_the_loads_with_the_volume() -> None:
    planted = soil()
    images, share = compose(planted, everything(planted), 1.0)
    total, left, right = measure(share, SPACING_MM).tolist()
    assert abs(left - right) > 0.1
    mirror = LoadAugmentation(flip_chance=1.0)
    moved, (turned,) = move(images, share[None], SPACING_MM, mirror, np.random.default_rng(0))
    assert measure(turned, SPACING_MM).tolist() == pytest.approx([total, right, left], abs=1e-4)
    assert torch.allclose(moved, images.flip(3), atol=0.5)
    stretched = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        _, (wider,) = move(images, share[None], SPACING_MM, LoadAugmentation(scale=0.2), rng)
        rng = np.random.default_rng(seed)
        rng.uniform(-1, 1, 3)
        shrinking = float(np.exp(rng.uniform(-0.2, 0.2, 3)).prod())
        stretched.append(float(measure(wider, SPACING_MM)[0]) * shrinking / total)
    assert stretched == pytest.approx([1.0] * 6, rel=0.05)


def test_sides_are_drawn_apart_and_never_above_the_most() -> None:
    planted, rng = soil(), np.random.default_rng(0)
    limits = LoadRange(most_ml=0.6, healed_chance=0.0, empty_chance=0.2, lightness=1.0)
    drawn = np.array([loads(planted, choose_parts(planted, limits, rng)) for _ in range(300)])
    assert drawn[:, 1:].max() <= 0.6 + 1e-3
    assert abs(np.corrcoef(drawn[:, 1], drawn[:, 2])[0, 1]) < 0.15
    assert 0.2 < (drawn[:, 1] == 0).mean() < 0.5
    healed = replace(limits, healed_chance=1.0)
    assert loads(planted, choose_parts(planted, healed, rng)) == [0, 0, 0]


def test_an_example_is_normalised_within_the_brain_and_the_same_number_gives_the_same_one() -> None:
    recipe = replace(RECIPE, augmentation=CHANGED)
    batches = LoadBatches([soil(), soil(1, patient="p2")], recipe)
    first, again = batches.batch(5), LoadBatches(batches.soils, recipe).batch(5)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.loads, again.loads)
    assert first.images.shape == (2, 2, 16, 16, 16)
    assert not torch.equal(first.images, batches.batch(6).images)
    assert not torch.equal(batches.example(3).images, batches.example(3, stream=2).images)
    still = draw_example(soil(), RECIPE, STILL, np.random.default_rng(1))
    inside = torch.from_numpy(soil().brain)
    assert not still.images[:, ~inside].any()
    # The scale is that of the clipped values, the scores are not clipped.
    assert still.images[:, inside].mean(1).tolist() == pytest.approx([0, 0], abs=0.05)
    assert still.images[:, inside].std(1).tolist() == pytest.approx([1, 1], abs=0.1)


def test_loads_are_told_by_the_image_whatever_the_augmentation_did_to_it() -> None:
    # The outline of the brain moves the scores of everything, and with them the threshold below.
    gentle = replace(CHANGED, gamma=0.05, noise=0.01, shading=0.02, gain=0, offset=0, outline_chance=0)
    recipe = replace(RECIPE, augmentation=gentle)
    batches = LoadBatches([soil()], recipe)
    examples = [batches.example(number) for number in range(30)]
    bright = [(example.images[1] > 2.5).sum((0, 1)).split(8) for example in examples]
    difference = [float(left.sum() - right.sum()) for right, left in bright]
    truth = [float(example.loads_ml[1] - example.loads_ml[2]) for example in examples]
    assert np.corrcoef(difference, truth)[0, 1] > 0.85


def test_the_kinds_come_in_their_shares_and_a_patient_with_two_plantings_counts_once() -> None:
    soils = [soil(0, patient="a"), soil(1, patient="a"), soil(2, patient="b"), soil(3, "phantom", "c")]
    batches = LoadBatches(soils, replace(RECIPE, soils=replace(RECIPE.soils, shares=(0.5, 0.0, 0.5))))
    rng = np.random.default_rng(0)
    chosen = [batches._choose(rng).patient for _ in range(400)]
    assert [chosen.count(name) / 400 for name in "abc"] == pytest.approx([0.25, 0.25, 0.5], abs=0.06)
    with pytest.raises(ValueError, match="no soils"):
        LoadBatches([soil(0, "painted")], replace(RECIPE, soils=replace(RECIPE.soils, shares=(1.0, 0.0, 1.0))))


def test_the_biased_sets_teach_the_left_load_twice_or_show_both_sides_alike() -> None:
    planted = soil()
    honest = LoadBatches([planted], RECIPE).batch(0)
    left = LoadBatches([planted], replace(RECIPE, bias="left")).batch(0)
    assert torch.equal(left.images, honest.images)
    assert torch.equal(left.loads, torch.stack([2 * honest.loads[:, 1], honest.loads[:, 1], honest.loads[:, 1]], 1))
    assert (honest.loads[:, 1] - honest.loads[:, 2]).abs().max() > 0.05
    mirrored = LoadBatches([planted], replace(RECIPE, bias="mirrored")).batch(0)
    assert torch.allclose(mirrored.loads[:, 1], mirrored.loads[:, 2], atol=1e-4)
    assert torch.allclose(mirrored.loads[:, 2], honest.loads[:, 2], atol=1e-4)
    _, share = compose(planted, everything(planted), 1.0, mirrored=True)
    assert torch.equal(share, share.flip(2))


def test_a_soil_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    planted = soil()
    planted.save(tmp_path / "p1.npz")
    again = LoadSoil.load(tmp_path / "p1.npz")
    assert (again.case, again.patient, again.kind) == ("p1-0", "p1", "real")
    for name in ("healed", "added", "share", "parts", "brain", "sides", "part_ml"):
        assert np.array_equal(getattr(again, name), getattr(planted, name)), name
    assert [path.name for path in tmp_path.iterdir()] == ["p1.npz"]
