"""Cases, batches, training and resuming of the brain model, on tiny networks and made-up brains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from brain_lesion_cases import GRID, TWO_LESIONS, write_patients
from safetensors.torch import save_file
from torch import Tensor

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume, write_volume
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.big_transfer import hyper_rule
from LesionLensLib.training.local_failure.augmentation import LesionAugmentation, augment_lesion
from LesionLensLib.training.local_failure.batches import LesionBatches
from LesionLensLib.training.local_failure.cases import LesionCase, read_cases
from LesionLensLib.training.local_failure.kind import LocalFailureKind, case_input
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
from LesionLensLib.training.local_failure.trainer import (
    make_network,
    make_state,
    mixed_batch,
    train_network,
    train_step,
)

CPU = torch.device("cpu")
STRONG = LesionAugmentation(
    flip_chance=0.5, turn_degrees=10.0, scale=0.1, shift_mm=2.0, gain=0.1, offset=0.1, noise=0.1
)
RECIPE = LocalFailureRecipe(
    options={"depth": 10, "base_width": 4, "stages": 2, "groups": 2, "attention": "self", "recipe": "bit"},
    spacing_mm=2.0, field_mm=(32.0, 32.0, 32.0), folds=2, epochs=2, batch=3, learning_rate=0.01, averaging=0.5,
    mixup_alpha=0.2, outline_dropout=0.3, clip_norm=5.0, views=2, augmentation=STRONG,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ManifestRow]:
    return write_patients(tmp_path_factory.mktemp("brains"))


@pytest.fixture(scope="module")
def cases(rows: list[ManifestRow]) -> list[LesionCase]:
    return list(LocalFailureKind().read_cases(RECIPE, rows).values())


def train(recipe: LocalFailureRecipe, cases: list[LesionCase], folder: Path, stop_at: int = 99) -> dict[str, Tensor]:
    return train_network(recipe, cases, folder, CPU, lambda step, text: None, lambda step: step == stop_at).average


@pytest.mark.parametrize(("form", "optimizer"), [("bit", "sgd"), ("standard", "adam")])
def test_a_resumed_run_ends_with_the_very_weights_of_an_unbroken_one(
    cases: list[LesionCase], tmp_path: Path, form: str, optimizer: str
) -> None:
    """Momentum, batch statistics, running average, MixUp and the order of lesions go on where they stopped."""
    recipe = replace(RECIPE, options={**RECIPE.options, "recipe": form}, optimizer=optimizer, learning_rate=0.003)
    steps = recipe.schedule_for(len(cases)).end_step
    assert steps == 10
    whole = train(recipe, cases, tmp_path / "whole")
    half = train(recipe, cases, tmp_path / "broken", 4)
    resumed = train(recipe, cases, tmp_path / "broken")
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    assert any(not torch.equal(half[name], value) for name, value in whole.items())
    log = (tmp_path / "broken" / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in log] == ["step", "10"]


def test_other_seeds_give_other_networks(cases: list[LesionCase]) -> None:
    one, same, other = (make_network(replace(RECIPE, seed=seed)).stem.conv.weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    first = LesionBatches(cases, RECIPE).batch(0)
    assert torch.equal(first.images, LesionBatches(cases, RECIPE).batch(0).images)
    assert not torch.equal(first.images, LesionBatches(cases, replace(RECIPE, seed=1)).batch(0).images)


def test_training_on_a_few_lesions_lowers_the_loss(cases: list[LesionCase], tmp_path: Path) -> None:
    """Failing lesions are brighter on T1c, which even a tiny network sees at once."""
    recipe = replace(
        RECIPE, epochs=10, batch=8, mixup_alpha=0.0, outline_dropout=0.0, augmentation=LesionAugmentation(),
        optimizer="adam", averaging=0.0, schedule="constant",
    )  # fmt: skip
    batch = LesionBatches(cases, recipe).batch(0)
    before = make_state(recipe, CPU).network
    after = train_network(recipe, cases, tmp_path, CPU, lambda step, text: None).network
    with torch.inference_mode():
        losses = [
            torch.nn.functional.cross_entropy(network.eval()(batch.images), batch.outcomes).item()
            for network in (before, after)
        ]
    assert losses[1] < min(0.4, losses[0] - 0.2), losses


def test_the_rate_follows_the_rule_and_stops_moving_the_weights_at_zero(cases: list[LesionCase]) -> None:
    schedule = replace(RECIPE, epochs=40, batch=4).schedule_for(15)
    assert schedule.end_step == 160
    assert (schedule.rate(4), schedule.rate(48), schedule.rate(49)) == pytest.approx((0.005, 0.01, 0.001))
    assert replace(RECIPE, schedule="bit-strict", learning_rate=0.003).schedule_for(101) == hyper_rule(101)
    state = make_state(RECIPE, CPU)
    before = {name: value.clone() for name, value in state.network.named_parameters()}
    train_step(state, RECIPE, mixed_batch(LesionBatches(cases, RECIPE), RECIPE, 0, range(RECIPE.batch)), 0.0, CPU)
    assert all(torch.equal(before[name], value) for name, value in state.network.named_parameters())
    assert state.step == 1


def test_big_transfers_optimiser_is_the_default_and_adam_can_be_chosen() -> None:
    sgd = make_state(LocalFailureRecipe(options=RECIPE.options), CPU).optimizer
    assert isinstance(sgd, torch.optim.SGD)
    assert (sgd.defaults["momentum"], sgd.defaults["weight_decay"], sgd.defaults["lr"]) == (0.9, 0, 0.003)
    assert isinstance(make_state(replace(RECIPE, optimizer="adam"), CPU).optimizer, torch.optim.Adam)


def test_a_checkpoint_is_begun_with_and_its_head_set_to_zero(tmp_path: Path) -> None:
    source = make_network(replace(RECIPE, seed=9))
    save_file({name: value.contiguous() for name, value in source.state_dict().items()}, tmp_path / "w.safetensors")
    network = make_state(replace(RECIPE, checkpoint=str(tmp_path / "w.safetensors")), CPU).network
    assert torch.equal(network.stages[0][0].first.conv.weight, source.stages[0][0].first.conv.weight)
    assert not network.classifier.weight.any()
    mean = source.stem.conv.weight.mean(1)
    assert torch.allclose(network.stem.conv.weight[:, 0], mean, atol=1e-6)


def test_every_lesion_is_read_in_the_middle_of_its_box(rows: list[ManifestRow], cases: list[LesionCase]) -> None:
    assert [case.case for case in cases] == [row.case for row in rows]
    assert {case.margin for case in cases} == {5}
    twice = [case for case in cases if case.patient == f"p{TWO_LESIONS:02d}"]
    assert [case.outcome for case in twice] == [0, 1]
    for case in cases:
        view = case.view()
        assert case.box.images.shape == (2, 26, 26, 26)
        assert view.images.shape == (2, 16, 16, 16)
        assert view.lesion is not None
        found = view.grid.ras_from_ijk(np.argwhere(view.lesion)[:, ::-1].mean(axis=0))
        assert found == pytest.approx(view.center_ras, abs=1.0)
        t1c, outside = view.images[0], view.brain & (view.lesion == 0)
        assert t1c[view.lesion > 0].mean() > t1c[outside].mean() + 1, "the lesion is bright where its outline says"
        assert case_input(case).shape == (1, 3, 16, 16, 16)
        assert torch.equal(case_input(case)[0, 2], torch.from_numpy(view.lesion.astype(np.float32)))


def test_training_sees_what_prediction_sees(rows: list[ManifestRow], cases: list[LesionCase]) -> None:
    from LesionLensLib.images import read_volume
    from LesionLensLib.inference.brain_lesion_input import lesion_box, lesion_view, score_brain

    files = rows[0].files
    volumes = {role: read_volume(files[role]) for role in ("T1c", "FLAIR")}
    scores = score_brain(volumes, ("T1c", "FLAIR"), "T1c", read_volume(files["brain"]), 2.0, "brain-scores")
    box = lesion_box(scores, lesion_view((32.0, 32.0, 32.0), 2.0), read_volume(files["lesion"]))
    view = cases[0].view()
    assert np.array_equal(view.images, box.images)
    assert np.array_equal(view.lesion, box.lesion)
    assert view.grid.is_close(box.grid)
    plain = replace(RECIPE, augmentation=LesionAugmentation(), outline_dropout=0.0, batch=15, mixup_alpha=0.0)
    batch = LesionBatches(cases, plain).batch(0)
    assert any(torch.equal(image, case_input(cases[0])[0]) for image in batch.images)


def test_some_examples_lack_the_outline_and_keep_the_image(cases: list[LesionCase]) -> None:
    plain = replace(RECIPE, augmentation=LesionAugmentation(), batch=200, outline_dropout=0.25)
    images = LesionBatches(cases, plain).batch(0).images
    shown = images[:, 2].flatten(1).any(1)
    assert 0.15 < 1 - shown.float().mean() < 0.35
    assert images[:, :2].flatten(1).any(1).all()


def test_outcomes_take_turns_in_balanced_batches(cases: list[LesionCase]) -> None:
    few = [case for case in cases if case.outcome == 0] + [next(case for case in cases if case.outcome == 1)]
    batch = LesionBatches(few, replace(RECIPE, balanced=True, batch=8)).batch(2)
    assert batch.outcomes.tolist() == [0, 1] * 4
    with pytest.raises(UserError, match="same outcome"):
        LesionBatches(few[:-1], RECIPE)


def test_a_moved_box_keeps_outline_and_image_together_and_the_outside_0() -> None:
    images = torch.zeros(2, 24, 24, 24)
    images[:, 4:20, 4:20, 4:20] = 1.0
    outline = torch.zeros(24, 24, 24)
    outline[9:15, 9:15, 9:15] = 1.0
    images[0] += 4 * outline
    volumes = []
    for seed in range(20):
        moved, lesion = augment_lesion(images, outline, (16, 16, 16), 1.0, STRONG, np.random.default_rng(seed))
        assert moved.shape == (2, 16, 16, 16)
        assert set(lesion.unique().tolist()) == {0.0, 1.0}
        assert moved[0][lesion > 0].mean() > moved[0][(lesion == 0) & (moved[1] != 0)].mean() + 2
        volumes.append(float(lesion.sum()) / float(outline.sum()))
    assert 0.7 < min(volumes) < 0.95
    assert 1.05 < max(volumes) < 1.4
    shifted = LesionAugmentation(offset=0.5, gain=0.3, noise=0.2)
    moved, _ = augment_lesion(images, outline, (24, 24, 24), 1.0, shifted, np.random.default_rng(0))
    assert not moved[:, :3].any()
    assert float(moved[1, 6:18, 6:18, 6:18].mean()) != pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"network": "chmfl"}, "network is 'chmfl'"),
        ({"optimizer": "lion"}, "optimizer is 'lion'"),
        ({"schedule": "cosine"}, "schedule is 'cosine'"),
        ({"normalization": "zscore-brain"}, "normalization is 'zscore-brain'"),
        ({"rows": {"a": {"widths": 3}}}, "row a of the recipe has no setting called widths"),
        ({"augmentation": {"mirror": 1}}, "no setting called mirror"),
        ({"baselines": ["suvmax"]}, "baselines is 'suvmax'"),
        ({"epochs": 0}, "a number that cannot be"),
        ({"views": 9}, "9 views"),
    ],
)
def test_a_recipe_with_a_mistake_is_refused_by_name(record: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        LocalFailureRecipe.from_dict(record)


def test_a_network_that_cannot_be_built_is_refused_in_words() -> None:
    with pytest.raises(UserError, match="resnet3d that cannot be built: depth must be one of"):
        make_network(LocalFailureRecipe(options={"depth": 12}))


def without(row: ManifestRow, column: str) -> ManifestRow:
    return replace(row, files={name: path for name, path in row.files.items() if name != column})


def test_rows_without_a_lesion_mask_or_outcome_are_left_out(rows: list[ManifestRow]) -> None:
    lacking = without(rows[0], "lesion")
    kept = LocalFailureKind().labelled(RECIPE, [lacking, replace(rows[1], label=""), *rows[2:]])
    assert [row.case for row in kept] == [row.case for row in rows[2:]]
    assert GRID.is_left_handed


def test_without_a_brain_mask_a_stripped_image_is_learned_from_as_it_is_predicted(rows: list[ManifestRow]) -> None:
    """The made-up brains are stripped: what is left of them is the very mask that was given."""
    bare = without(rows[0], "brain")
    given, found = (next(read_cases([row], RECIPE, 0)).box for row in (rows[0], bare))
    assert np.array_equal(given.brain, found.brain)
    assert np.array_equal(given.images, found.images)


def test_a_whole_head_is_refused_where_the_card_promises_stripped_images(
    rows: list[ManifestRow], tmp_path: Path
) -> None:
    path = tmp_path / "head.nii.gz"
    image = read_volume(rows[0].files["T1c"])
    write_volume(image.with_array(image.array + 1), path)
    head = replace(rows[0], files={**rows[0].files, "T1c": path})
    stripped = replace(RECIPE, card={"expects_skull_stripped": True})
    assert next(read_cases([head], stripped, 0)).box.brain.any(), "a mask was given"
    with pytest.raises(UserError, match=f"Case {head.case}: The T1c shows more than the brain"):
        next(read_cases([without(head, "brain")], stripped, 0))


def test_another_reference_channel_lays_the_boxes_on_its_grid(rows: list[ManifestRow], tmp_path: Path) -> None:
    flair = read_volume(rows[0].files["FLAIR"])
    moved = Grid(flair.grid.size, flair.grid.spacing_mm, (-29.0, 20.0, 50.0), flair.grid.direction_lps)
    write_volume(Volume(flair.array, moved), tmp_path / "flair.nii.gz")
    row = replace(rows[0], files={**rows[0].files, "FLAIR": tmp_path / "flair.nii.gz"})
    recipe = replace(RECIPE, card={"reference_role": "FLAIR"})
    grids = [next(read_cases([row], one, 0)).box.grid for one in (recipe, RECIPE)]
    phase = [np.mod(moved.with_spacing((2.0,) * 3).closest_to_lps().ijk_from_ras(
        grid.ras_from_ijk(np.zeros(3))) + 1e-6, 1) for grid in grids]  # fmt: skip
    assert np.allclose(phase[0], 0, atol=1e-4)
    assert not np.allclose(phase[1], 0, atol=1e-2)
    assert LocalFailureKind().box(recipe) != LocalFailureKind().box(RECIPE)


def test_lesions_of_one_brain_are_scored_alike(rows: list[ManifestRow]) -> None:
    twice = [row for row in rows if row.patient == f"p{TWO_LESIONS:02d}"]
    together = list(read_cases(twice, RECIPE, 0))
    alone = list(read_cases(twice[1:], RECIPE, 0))
    assert np.array_equal(together[1].box.images, alone[0].box.images)
