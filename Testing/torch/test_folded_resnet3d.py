"""The ResNet rewritten for inference gives the same answers."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from LesionLensLib.inference.folded_resnet3d import FoldedSelfAttention, fold
from LesionLensLib.networks.resnet3d import ATTENTIONS, RECIPES, ConvNorm, ResNet3d
from LesionLensLib.networks.self_attention import SelfAttention
from LesionLensLib.networks.weight_standardization import StandardizedConv3d


def trained_looking(network: ResNet3d) -> ResNet3d:
    """Give every norm and gain a value that a mistake in the rewrite would show."""
    for module in network.modules():
        if isinstance(module, SelfAttention):
            nn.init.constant_(module.gain, 0.4)
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.6, 1.4)
        if isinstance(module, nn.BatchNorm3d | nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


@pytest.mark.parametrize(("attention", "recipe"), list(product(ATTENTIONS, RECIPES)))
def test_folding_changes_nothing_beyond_rounding(attention: str, recipe: str) -> None:
    torch.manual_seed(3)
    network = trained_looking(ResNet3d(base_width=32, attention=attention, recipe=recipe))
    x = torch.randn(2, 3, 40, 33, 29)
    folded = fold(network)
    with torch.inference_mode():
        expected, result = network(x), folded(x.contiguous(memory_format=torch.channels_last_3d))
        halved = folded.bfloat16()(x.bfloat16())
    torch.testing.assert_close(result.softmax(1), expected.softmax(1), atol=2e-6, rtol=0)
    torch.testing.assert_close(halved.float().softmax(1), expected.softmax(1), atol=2e-2, rtol=0)


def test_nothing_is_left_to_normalise_or_to_standardise() -> None:
    folded = fold(ResNet3d(base_width=32, attention="self", recipe="standard"))
    assert {type(layer.norm) for layer in folded.modules() if isinstance(layer, ConvNorm)} == {nn.Identity}
    assert all(isinstance(block.attention, FoldedSelfAttention) for block in folded.blocks())
    assert not any(isinstance(part, StandardizedConv3d) for part in fold(ResNet3d(base_width=32)).modules())


def test_the_network_itself_is_left_as_it_was() -> None:
    network = ResNet3d(depth=10, base_width=32).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fold(network)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    "options", [{}, {"scaled": True}, {"residual": False}, {"residual": False, "scaled": True}]
)
def test_folded_attention_keeps_every_bias_and_option(options: dict[str, bool]) -> None:
    """Small features keep the softmax flat: where one voxel dominates it, a wrong bias would not be seen."""
    torch.manual_seed(4)
    block = SelfAttention(16, **options)
    for layer in (block.query, block.key, block.value, block.output):
        nn.init.normal_(layer.bias)
    if block.gain is not None:
        nn.init.constant_(block.gain, -1.3)
    x = torch.randn(2, 16, 4, 3, 5) * 0.2
    with torch.inference_mode():
        torch.testing.assert_close(FoldedSelfAttention(block)(x), block(x), atol=2e-6, rtol=0)


def test_attention_with_fewer_inner_channels_stays_as_it_is() -> None:
    torch.manual_seed(5)
    network = trained_looking(ResNet3d(depth=10, base_width=32, attention_reduction=8))
    folded, x = fold(network), torch.randn(1, 3, 32, 32, 32)
    assert all(isinstance(block.attention, SelfAttention) for block in folded.blocks())
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), network(x), atol=1e-5, rtol=0)
