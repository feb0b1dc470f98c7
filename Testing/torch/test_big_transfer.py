"""Big Transfer's rule, its scaled form, and MixUp."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from LesionLensLib.errors import UserError
from LesionLensLib.training.big_transfer import (
    StepSchedule,
    hyper_rule,
    make_optimizer,
    make_schedule,
    mixup_alpha,
    planned_steps,
    scaled_rule,
)
from LesionLensLib.training.mixup import MixUp


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.0), (1, 3e-5), (50, 1.5e-3), (99, 2.97e-3), (100, 3e-3), (200, 3e-3), (201, 3e-4), (300, 3e-4),
     (301, 3e-5), (400, 3e-5), (401, 3e-6), (499, 3e-6)],
)  # fmt: skip
def test_the_rule_for_101_lesions_is_that_of_the_table(step: int, rate: float) -> None:
    assert hyper_rule(101).rate(step) == pytest.approx(rate, rel=1e-12)


def test_training_is_over_at_the_last_knot() -> None:
    assert hyper_rule(101).rate(500) is None
    assert hyper_rule(101).rate(10_000) is None


@pytest.mark.parametrize(
    ("examples", "warm_up", "decays", "end"),
    [
        (19_999, 100, (200, 300, 400), 500),
        (20_000, 500, (3000, 6000, 9000), 10_000),
        (499_999, 500, (3000, 6000, 9000), 10_000),
        (500_000, 500, (6000, 12_000, 18_000), 20_000),
    ],
)
def test_the_size_of_the_training_set_decides_the_length(
    examples: int, warm_up: int, decays: tuple[int, ...], end: int
) -> None:
    assert hyper_rule(examples, 0.01) == StepSchedule(warm_up, decays, end, 0.01)


def test_the_scaled_rule_at_the_middle_rule_s_length_is_the_middle_rule() -> None:
    assert scaled_rule(10_000) == hyper_rule(100_000)


def test_the_paper_s_300_epochs_of_101_lesions_take_7800_steps() -> None:
    assert planned_steps(101, 4, 300) == 7800
    assert make_schedule("bit-scaled", 101, 4, 300) == StepSchedule(390, (2340, 4680, 7020), 7800, 0.003)


def test_a_recipe_names_its_schedule() -> None:
    assert make_schedule("bit-strict", 101, 4, 300, 0.01) == hyper_rule(101, 0.01)
    constant = make_schedule("constant", 101, 4, 2, 1e-5)
    assert [constant.rate(step) for step in (0, 30, 51, 52)] == [1e-5, 1e-5, 1e-5, None]
    with pytest.raises(UserError, match="no schedule called cosine"):
        make_schedule("cosine", 101, 4, 300)


@pytest.mark.parametrize("steps", [1, 2, 7, 19, 20])
def test_even_the_shortest_training_has_a_rate_at_each_step(steps: int) -> None:
    schedule = scaled_rule(steps)
    assert all(schedule.rate(step) is not None for step in range(steps))
    assert schedule.rate(steps) is None


@pytest.mark.parametrize("knots", [(100, (50, 300), 500), (0, (300, 200), 500), (0, (600,), 500), (-1, (), 5)])
def test_knots_that_decrease_are_refused(knots: tuple[int, tuple[int, ...], int]) -> None:
    with pytest.raises(ValueError, match="do not decrease"):
        StepSchedule(*knots)


def test_a_rate_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        StepSchedule(0, (), 5, 0.0)


def test_the_optimiser_has_momentum_and_no_weight_decay() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    optimizer = make_optimizer(layer, 0.1)
    for _ in range(2):
        layer.weight.grad = torch.ones(1, 1)
        optimizer.step()
    # 2 - 0.1 * 1 - 0.1 * (0.9 * 1 + 1); weight decay would pull further.
    assert layer.weight.item() == pytest.approx(1.71, abs=1e-6)


def test_small_cohorts_get_no_mixup() -> None:
    assert [mixup_alpha(examples) for examples in (101, 19_999, 20_000)] == [0.0, 0.0, 0.1]


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(4.0).view(4, 1, 1, 1, 1).expand(4, 2, 3, 3, 3).contiguous(), torch.tensor([0, 1, 0, 1])


def test_no_mixup_leaves_batch_and_loss_as_they_are() -> None:
    images, labels = batch()
    mixed = MixUp(0.0).mix(images, labels, 7)
    logits = torch.randn(4, 2)
    assert torch.equal(mixed.images, images)
    assert torch.equal(mixed.cross_entropy(logits), nn.functional.cross_entropy(logits, labels))


def test_images_and_losses_are_mixed_in_the_same_shares_with_the_same_partners() -> None:
    images, labels = batch()
    mixup = MixUp(0.8, seed=3)
    step = next(step for step in range(100) if 0.3 < mixup.share(step) < 0.7)
    mixed = mixup.mix(images, labels, step)
    assert mixed.share == mixup.share(step)
    partners = (mixed.images[:, 0, 0, 0, 0] - mixed.share * torch.arange(4.0)) / (1 - mixed.share)
    assert sorted(partners.round().long().tolist()) == [0, 1, 2, 3]
    torch.testing.assert_close(partners, partners.round(), atol=1e-5, rtol=0)
    assert torch.equal(mixed.partner_labels, labels[partners.round().long()])
    logits = torch.randn(4, 2)
    own = -logits.log_softmax(1)[range(4), labels]
    other = -logits.log_softmax(1)[range(4), mixed.partner_labels]
    expected = (mixed.share * own + (1 - mixed.share) * other).mean()
    torch.testing.assert_close(mixed.cross_entropy(logits), expected)


def test_a_step_s_draws_depend_on_seed_and_step_alone() -> None:
    images, labels = batch()
    first, again, next_step, other_seed = (
        MixUp(0.1, seed).mix(images, labels, step).share for seed, step in ((1, 5), (1, 5), (1, 6), (2, 5))
    )
    assert first == again
    assert len({first, next_step, other_seed}) == 3


def test_the_shares_follow_the_beta_distribution() -> None:
    shares = torch.tensor([MixUp(0.1).share(step) for step in range(2000)], dtype=torch.float64)
    # Beta(a, a) has mean 1 / 2 and variance 1 / (4 (2 a + 1)).
    assert shares.mean().item() == pytest.approx(0.5, abs=0.04)
    assert shares.var().item() == pytest.approx(1 / 4.8, abs=0.01)


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or positive"):
        MixUp(-0.1)
