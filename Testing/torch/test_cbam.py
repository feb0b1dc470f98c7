"""CBAM: its formula with an own computation, the range of its gates, its size."""

from __future__ import annotations

import pytest
import torch

from LesionLensLib.networks.cbam import Cbam


def features() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 32, 3, 5, 4)


def test_it_gates_channels_first_and_voxels_second() -> None:
    torch.manual_seed(1)
    block, x = Cbam(32), features()
    first, second = block.channel_gate.perceptron[0], block.channel_gate.perceptron[2]

    def perceptron(pooled: torch.Tensor) -> torch.Tensor:
        hidden = (pooled @ first.weight.T + first.bias).clamp(min=0)
        return hidden @ second.weight.T + second.bias

    flat = x.flatten(2)
    channel = 1 / (1 + torch.exp(-perceptron(flat.mean(2)) - perceptron(flat.max(2).values)))
    gated = x * channel[..., None, None, None]
    pair = torch.stack([gated.mean(1), gated.max(1).values], 1)
    spatial = 1 / (1 + torch.exp(-torch.nn.functional.conv3d(pair, block.spatial_gate.conv.weight, padding=3)))
    torch.testing.assert_close(block(x), gated * spatial, atol=1e-6, rtol=0)
    torch.testing.assert_close(block.spatial_map(x), spatial, atol=1e-6, rtol=0)


def test_the_gates_lie_between_0_and_1_and_have_one_value_a_channel_and_a_voxel() -> None:
    block, x = Cbam(32), features()
    channel, spatial = block.channel_gate(x), block.spatial_map(x)
    assert channel.shape == (2, 32, 1, 1, 1)
    assert spatial.shape == (2, 1, 3, 5, 4)
    for gate in (channel, spatial):
        assert 0 < gate.min() < gate.max() < 1


@pytest.mark.parametrize(("channels", "count"), [(512, 33_998), (256, 8_464 + 686)])
def test_the_parameter_count_is_that_of_one_hidden_layer_and_one_convolution(channels: int, count: int) -> None:
    assert sum(parameter.numel() for parameter in Cbam(channels).parameters()) == count


def test_a_reduction_that_does_not_divide_the_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="must divide the 32 channels"):
        Cbam(32, reduction=5)
