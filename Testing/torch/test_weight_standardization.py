"""Standardised weights: the formula by hand, and what it leaves unchanged."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from LesionLensLib.networks.weight_standardization import StandardizedConv3d, standardized


def test_each_filter_gets_mean_0_and_biased_variance_1() -> None:
    weight = torch.tensor([[1.0, 3.0], [0.0, 8.0], [5.0, 5.0]]).view(3, 2, 1, 1, 1)
    expected = torch.tensor([[-1.0, 1.0], [-1.0, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(standardized(weight).view(3, 2), expected, atol=1e-6, rtol=0)


def test_the_variance_runs_over_channels_and_kernel_together() -> None:
    weight = torch.arange(16.0).view(1, 2, 2, 2, 2)
    expected = (weight - 7.5) / 21.25**0.5
    torch.testing.assert_close(standardized(weight), expected, atol=1e-6, rtol=0)


def test_scaling_and_shifting_a_filter_changes_nothing() -> None:
    torch.manual_seed(0)
    conv = StandardizedConv3d(3, 8, 3, stride=2, padding=1, bias=False)
    x = torch.randn(2, 3, 7, 6, 5)
    before = conv(x)
    with torch.no_grad():
        conv.weight.mul_(torch.rand(8, 1, 1, 1, 1) * 5 + 0.5).add_(torch.randn(8, 1, 1, 1, 1))
    torch.testing.assert_close(conv(x), before, atol=2e-4, rtol=0)
    with torch.no_grad():
        conv.weight.mul_(-1)
    torch.testing.assert_close(conv(x), -before, atol=2e-4, rtol=0)


def test_a_constant_filter_stays_finite_in_training() -> None:
    conv = StandardizedConv3d(2, 1, 3, padding=1, bias=False)
    nn.init.constant_(conv.weight, 0.7)
    conv(torch.randn(1, 2, 4, 4, 4)).square().sum().backward()
    assert torch.isfinite(conv.weight.grad).all()


def test_the_gradient_is_that_of_the_formula() -> None:
    torch.manual_seed(1)
    weight = torch.randn(2, 2, 2, 1, 1, requires_grad=True)
    coefficients = torch.randn(2, 2, 2, 1, 1)
    (standardized(weight) * coefficients).sum().backward()
    # A filter's gradient is orthogonal to adding a constant and to scaling it, since neither changes the result.
    assert weight.grad.abs().max() > 0.1
    assert weight.grad.sum((1, 2, 3, 4)).abs().max() < 1e-5
    assert (weight.grad * weight.detach()).sum((1, 2, 3, 4)).abs().max() < 1e-5


def test_it_has_the_parameters_of_an_ordinary_convolution() -> None:
    StandardizedConv3d(2, 4, 3).load_state_dict(nn.Conv3d(2, 4, 3).state_dict(), strict=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_weight_keeps_its_type(dtype: torch.dtype) -> None:
    assert standardized(torch.randn(2, 3, 1, 1, 1).to(dtype)).dtype == dtype
