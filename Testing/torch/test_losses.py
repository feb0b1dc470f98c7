"""The paper's weighted cross-entropy in both readings, and our soft Dice, on numbers one can check by hand."""

from __future__ import annotations

import math

import pytest
import torch

from LesionLensLib.networks.losses import class_weights, combined_loss, soft_dice_loss, weighted_cross_entropy

SHARE = 5.15e-4
LOG2, LOG4 = math.log(2), math.log(4)


def two_voxels() -> tuple[torch.Tensor, torch.Tensor]:
    """A lesion voxel seen with p = 1/4 and a background voxel seen with p(lesion) = 1/2."""
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]).view(1, 2, 1, 1, 2)
    return logits, torch.tensor([1, 0]).view(1, 1, 1, 2)


def test_weights_are_those_of_the_paper_and_swapped_by_intent() -> None:
    assert class_weights(SHARE, "literal") == pytest.approx((0.7309, 0.2691), abs=5e-5)
    assert class_weights(SHARE, "intent") == pytest.approx((0.2691, 0.7309), abs=5e-5)
    assert sum(class_weights(0.2)) == pytest.approx(1)
    assert class_weights(0.5) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(("reading", "lesion_weight"), [("intent", 0.730856), ("literal", 0.269144)])
def test_cross_entropy_is_the_weighted_mean(reading: str, lesion_weight: float) -> None:
    logits, target = two_voxels()
    expected = lesion_weight * LOG4 + (1 - lesion_weight) * LOG2
    assert float(weighted_cross_entropy(logits, target, SHARE, reading)) == pytest.approx(expected, rel=1e-5)


def test_an_ignored_voxel_neither_counts_nor_receives_a_gradient() -> None:
    logits, target = two_voxels()
    logits.requires_grad_()
    ignore = torch.tensor([False, True]).view(1, 1, 1, 2)
    loss = weighted_cross_entropy(logits, target, SHARE, ignore=ignore)
    loss.backward()
    assert loss.item() == pytest.approx(LOG4)
    assert logits.grad is not None
    assert logits.grad[..., 1].abs().max() == 0
    assert logits.grad[..., 0].abs().max() > 0


def test_a_loss_over_no_voxel_is_zero_and_not_nan() -> None:
    logits, target = two_voxels()
    assert float(weighted_cross_entropy(logits, target, SHARE, ignore=torch.ones_like(target, dtype=torch.bool))) == 0


def test_soft_dice_follows_its_formula() -> None:
    logits, target = two_voxels()
    # overlap 1/4, sizes 3/4 and 1
    assert float(soft_dice_loss(logits, target, smooth=0.0)) == pytest.approx(1 - 0.5 / 1.75)
    assert float(soft_dice_loss(logits, target, smooth=1.0)) == pytest.approx(1 - 1.5 / 2.75)
    ignore = torch.tensor([False, True]).view(1, 1, 1, 2)
    assert float(soft_dice_loss(logits, target, ignore, smooth=0.0)) == pytest.approx(1 - 0.5 / 1.25)


def test_the_combined_loss_is_the_sum_and_without_dice_the_paper_s() -> None:
    logits, target = two_voxels()
    cross_entropy = float(weighted_cross_entropy(logits, target, SHARE))
    dice = float(soft_dice_loss(logits, target))
    assert float(combined_loss(logits, target, SHARE, dice_weight=0.5)) == pytest.approx(cross_entropy + 0.5 * dice)
    assert float(combined_loss(logits, target, SHARE, dice_weight=0)) == pytest.approx(cross_entropy)


def test_losses_of_half_precision_logits_are_computed_in_float32() -> None:
    logits, target = two_voxels()
    loss = weighted_cross_entropy(logits.bfloat16(), target, SHARE)
    assert loss.dtype == torch.float32


def test_a_share_or_reading_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="fraction"):
        class_weights(5.0)
    with pytest.raises(ValueError, match="reading"):
        class_weights(0.1, "printed")
