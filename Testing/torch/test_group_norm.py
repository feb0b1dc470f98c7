"""GroupNorm stays exact where torch's own channels-last kernel does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from LesionLensLib.networks import group_norm
from LesionLensLib.networks.group_norm import ExactGroupNorm, group_statistics, needs_exact_statistics


def offset_volume(*size: int) -> Tensor:
    """Channels-last features whose mean is large against their spread, the hard case."""
    torch.manual_seed(0)
    return (torch.randn(1, 8, *size) + torch.arange(8.0).view(1, 8, 1, 1, 1)).to(memory_format=torch.channels_last_3d)


def test_statistics_are_those_of_double_precision() -> None:
    x = offset_volume(40, 50, 30) + 5
    mean, variance = group_statistics(x, 4)
    exact = x.double().reshape(1, 4, -1)
    torch.testing.assert_close(mean.double(), exact.mean(2), atol=0, rtol=1e-6)
    torch.testing.assert_close(variance.double(), exact.var(2, unbiased=False), atol=0, rtol=1e-6)


def test_large_channels_last_volumes_are_normalised_like_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_norm, "EXACT_FROM_VOXELS", 1000)
    x = offset_volume(24, 30, 20)
    norm = ExactGroupNorm(4, 8)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.uniform_(norm.bias, -1, 1)
    assert needs_exact_statistics(x)
    assert not needs_exact_statistics(x.contiguous())
    with torch.inference_mode():
        result = norm(x)
        reference = nn.functional.group_norm(x.double(), 4, norm.weight.double(), norm.bias.double(), norm.eps)
    assert result.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(result.double(), reference, atol=4e-6, rtol=0)


def test_it_has_the_parameters_of_the_plain_norm() -> None:
    ExactGroupNorm(4, 8).load_state_dict(nn.GroupNorm(4, 8).state_dict(), strict=True)


def test_training_keeps_torch_s_gradient() -> None:
    x = offset_volume(6, 7, 5).requires_grad_()
    ExactGroupNorm(4, 8)(x).square().sum().backward()
    other = x.detach().contiguous().requires_grad_()
    nn.GroupNorm(4, 8)(other).square().sum().backward()
    torch.testing.assert_close(x.grad, other.grad, atol=1e-3, rtol=1e-4)
