"""Both losses of CHMFL and their balance, on numbers one can check by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from LesionLensLib.networks.chmfl import ChmflOutput
from LesionLensLib.networks.chmfl_losses import chmfl_loss, outcome_loss, voxel_loss

LOG2, LOG4, LOG43 = math.log(2), math.log(4), math.log(4 / 3)


def example() -> tuple[ChmflOutput, Tensor, Tensor]:
    """One patient, p(metastasis) = 1/4 and it came; a tumour voxel seen with p = 3/4 and another voxel with p = 1/2."""
    outcome = torch.tensor([[math.log(3), 0.0]])
    mask = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]]).view(1, 2, 1, 1, 2)
    return ChmflOutput(outcome, mask), torch.tensor([1]), torch.tensor([1, 0]).view(1, 1, 1, 2)


def test_the_outcome_loss_is_the_log_of_the_probability_of_what_came() -> None:
    output, label, _ = example()
    assert float(outcome_loss(output.outcome, label)) == pytest.approx(LOG4)
    assert float(outcome_loss(output.outcome, 1 - label)) == pytest.approx(LOG43)
    both = outcome_loss(output.outcome.repeat(2, 1), torch.tensor([0, 1]))
    assert float(both) == pytest.approx((LOG4 + LOG43) / 2)


def test_the_voxel_loss_is_the_mean_or_the_sum_over_the_voxels_of_a_patient() -> None:
    output, _, mask = example()
    assert output.mask is not None
    assert float(voxel_loss(output.mask, mask)) == pytest.approx((LOG43 + LOG2) / 2)
    assert float(voxel_loss(output.mask, mask, "sum")) == pytest.approx(LOG43 + LOG2)
    twice = output.mask.repeat(2, 1, 1, 1, 1), torch.cat([mask, 1 - mask])
    assert float(voxel_loss(*twice, "sum")) == pytest.approx((LOG43 + LOG2 + LOG4 + LOG2) / 2)
    assert float(voxel_loss(*twice)) == pytest.approx((LOG43 + LOG2 + LOG4 + LOG2) / 4)


@pytest.mark.parametrize("w", [0.0, 0.3, 0.5, 1.0])
def test_the_total_weighs_both_as_equation_1_does(w: float) -> None:
    output, label, mask = example()
    terms = chmfl_loss(output, label, mask, w)
    assert float(terms.total) == pytest.approx((1 - w) * LOG4 + w * (LOG43 + LOG2) / 2)
    assert (terms.outcome is None) == (w == 1)
    assert (terms.voxels is None) == (w == 0)


def test_the_paper_s_weight_is_the_default_and_the_terms_are_reported_unweighted() -> None:
    terms = chmfl_loss(*example(), reduction="sum")
    assert terms.outcome is not None
    assert terms.voxels is not None
    assert float(terms.outcome) == pytest.approx(LOG4)
    assert float(terms.voxels) == pytest.approx(LOG43 + LOG2)
    assert float(terms.total) == pytest.approx(0.5 * LOG4 + 0.5 * (LOG43 + LOG2))


def test_a_term_without_weight_needs_no_target_and_leaves_no_gradient() -> None:
    output, label, mask = example()
    assert output.mask is not None
    for logits in output:
        logits.requires_grad_()
    chmfl_loss(output, label, None, 0.0).total.backward()
    assert output.mask.grad is None
    output.outcome.grad = None
    chmfl_loss(output, None, mask, 1.0).total.backward()
    assert output.outcome.grad is None
    assert float(output.mask.grad.abs().max()) > 0


def test_the_gradient_is_probability_minus_truth_times_the_weight() -> None:
    output, label, mask = example()
    assert output.mask is not None
    for logits in output:
        logits.requires_grad_()
    chmfl_loss(output, label, mask, 0.4).total.backward()
    torch.testing.assert_close(output.outcome.grad, 0.6 * torch.tensor([[0.75, -0.75]]))
    expected = 0.4 / 2 * torch.tensor([[0.25, -0.5], [-0.25, 0.5]]).view(1, 2, 1, 1, 2)
    torch.testing.assert_close(output.mask.grad, expected)


def test_an_ignored_voxel_counts_in_neither_reduction() -> None:
    output, _, mask = example()
    assert output.mask is not None
    ignore = torch.tensor([False, True]).view(1, 1, 1, 2)
    assert float(voxel_loss(output.mask, mask, ignore=ignore)) == pytest.approx(LOG43)
    assert float(voxel_loss(output.mask, mask, "sum", ignore)) == pytest.approx(LOG43)
    nothing = voxel_loss(output.mask.requires_grad_(), mask, ignore=torch.ones_like(mask, dtype=torch.bool))
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert float(output.mask.grad.abs().max()) == 0


def test_a_patient_whose_outcome_is_unknown_trains_the_outline_only() -> None:
    output, label, mask = example()
    outcome = output.outcome.repeat(2, 1).requires_grad_()
    half_known = outcome_loss(outcome, torch.tensor([-100, 1]))
    half_known.backward()
    assert float(half_known.detach()) == pytest.approx(LOG4)
    assert float(outcome.grad[0].abs().max()) == 0
    assert float(outcome_loss(output.outcome, torch.tensor([-100]))) == 0
    total = chmfl_loss(output, torch.full_like(label, -100), mask).total
    assert float(total) == pytest.approx(0.5 * (LOG43 + LOG2) / 2)


def test_half_precision_logits_are_judged_in_float32() -> None:
    output, label, mask = example()
    assert output.mask is not None
    half = ChmflOutput(output.outcome.bfloat16(), output.mask.bfloat16())
    assert chmfl_loss(half, label, mask).total.dtype == torch.float32


def test_a_loss_that_cannot_be_taken_says_what_is_missing() -> None:
    output, label, mask = example()
    with pytest.raises(ValueError, match=r"between 0 and 1, not 1\.5"):
        chmfl_loss(output, label, mask, 1.5)
    with pytest.raises(ValueError, match="there is no mask"):
        chmfl_loss(output, label, None)
    with pytest.raises(ValueError, match="the outcome counts, but there is none"):
        chmfl_loss(output, None, mask)
    with pytest.raises(ValueError, match="no decoder"):
        chmfl_loss(ChmflOutput(output.outcome, None), label, mask)
    with pytest.raises(ValueError, match="reduction must be one of"):
        chmfl_loss(output, label, mask, reduction="median")
