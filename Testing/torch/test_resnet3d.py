"""The attention ResNet: parameter counts, sizes, variants, the way gradients flow."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from LesionLensLib.networks.group_norm import ExactGroupNorm
from LesionLensLib.networks.resnet3d import ATTENTIONS, DEPTHS, RECIPES, ConvNorm, ResNet3d
from LesionLensLib.networks.self_attention import SelfAttention
from LesionLensLib.networks.weight_standardization import StandardizedConv3d

VARIANTS = list(product(ATTENTIONS, RECIPES))


def with_open_attention(network: ResNet3d) -> ResNet3d:
    """Let self-attention contribute, which a new block does not."""
    for module in network.modules():
        if isinstance(module, SelfAttention) and module.gain is not None:
            nn.init.constant_(module.gain, 0.5)
    return network


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"attention": "none"}, 33_204_930),
        ({"attention": "cbam"}, 33_238_928),
        ({"attention": "self"}, 35_997_898),
        ({"attention_reduction": 2}, 34_602_378),
        ({"attention_reduction": 8}, 33_555_738),
        ({"in_channels": 4}, 36_019_850),
        ({"attention_residual": False}, 35_997_898 - 8),
        ({"depth": 10}, 15_796_934),
        ({"depth": 34, "attention": "none"}, 63_514_562),
        ({"depth": 34}, 68_559_570),
        ({"base_width": 32, "attention": "none"}, 8_320_354),
        ({"base_width": 32}, 9_020_522),
    ],
)
def test_parameter_counts_are_those_of_the_specification(recipe: str, options: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        network = ResNet3d(recipe=recipe, **options)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize(("side", "convolutions", "attention"), [(64, 5.6, 4.4), (96, 19.0, 50.5), (128, 44.9, 283.7)])
def test_the_cost_is_that_of_the_specification(side: int, convolutions: float, attention: float) -> None:
    """In 1e9 multiplications, projections among the convolutions; a wrong stride or place would multiply it.

    The path that stores the map is taken on tensors without content, because only its products are counted.
    """
    with FakeTensorMode(), FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        ResNet3d(recipe="standard").eval()(torch.empty(1, 3, side, side, side))
    costs = {str(operation): flops / 2e9 for operation, flops in counter.get_flop_counts()["Global"].items()}
    assert costs.pop("aten.convolution") + costs.pop("aten.addmm") == pytest.approx(convolutions, abs=0.06)
    assert sum(costs.values()) == pytest.approx(attention, abs=0.06)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("attention", "recipe"), VARIANTS)
def test_every_variant_and_depth_answers_a_volume_of_any_size(depth: int, attention: str, recipe: str) -> None:
    network = ResNet3d(depth=depth, base_width=32, attention=attention, recipe=recipe).eval()
    with torch.inference_mode():
        logits = network(torch.randn(2, 3, 33, 16, 9))
        features = network.features(torch.randn(1, 3, 33, 16, 9))
    assert logits.shape == (2, 2)
    assert torch.isfinite(logits).all()
    assert features.shape == (1, 256, 2, 1, 1)


@pytest.mark.parametrize(("attention", "recipe"), VARIANTS)
def test_the_recipe_decides_norm_and_convolutions(attention: str, recipe: str) -> None:
    with torch.device("meta"):
        network = ResNet3d(attention=attention, recipe=recipe)
    layers = [module for module in network.modules() if isinstance(module, ConvNorm)]
    assert len(layers) == 1 + 16 + 3
    norm, conv = (ExactGroupNorm, StandardizedConv3d) if recipe == "bit" else (nn.BatchNorm3d, nn.Conv3d)
    assert {type(layer.norm) for layer in layers} == {norm}
    assert {type(layer.conv) for layer in layers} == {conv}
    assert recipe == "standard" or {layer.norm.num_groups for layer in layers} == {32}


@pytest.mark.parametrize("depth", DEPTHS)
def test_self_attention_stands_behind_each_residual_block(depth: int) -> None:
    with torch.device("meta"):
        network = ResNet3d(depth=depth, base_width=32)
    widths = [block.attention.query.in_features for block in network.blocks()]
    assert widths == [32 * 2**stage for stage, count in enumerate(DEPTHS[depth]) for _ in range(count)]


def test_attention_sees_the_block_after_its_addition_and_relu() -> None:
    network = with_open_attention(ResNet3d(depth=10, base_width=32)).eval()
    block = next(network.blocks())
    x = torch.randn(1, 32, 4, 4, 4)
    with torch.inference_mode():
        plain = block.residual(x)
        by_hand = torch.relu(block.second(torch.relu(block.first(x))) + x)
        assert torch.equal(plain, by_hand)
        assert torch.equal(block(x), block.attention(plain))
        assert not torch.equal(block(x), plain)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_fresh_network_with_self_attention_equals_the_plain_one(recipe: str) -> None:
    torch.manual_seed(1)
    attentive, plain = (ResNet3d(base_width=32, attention=kind, recipe=recipe).eval() for kind in ("self", "none"))
    plain.load_state_dict(attentive.state_dict(), strict=False)
    x = torch.randn(1, 3, 24, 20, 16)
    with torch.inference_mode():
        assert torch.equal(attentive(x), plain(x))


@pytest.mark.parametrize(("attention", "recipe"), VARIANTS)
def test_every_parameter_receives_a_gradient(attention: str, recipe: str) -> None:
    torch.manual_seed(0)
    network = with_open_attention(ResNet3d(depth=10, base_width=32, attention=attention, recipe=recipe))
    images = torch.randn(2, 3, 40, 40, 40)
    nn.functional.cross_entropy(network(images), torch.tensor([0, 1])).backward()
    largest = {name: parameter.grad.abs().max().item() for name, parameter in network.named_parameters()}
    silent = {name for name, gradient in largest.items() if not gradient > 1e-9}
    # The bias of q adds the same to all logits of one softmax.
    assert {name for name in silent if not name.endswith("query.bias")} == set()
    assert attention != "self" or any(name.endswith("query.weight") for name in largest)


def test_the_first_step_of_a_fresh_network_opens_the_attention() -> None:
    torch.manual_seed(0)
    network = ResNet3d(depth=10, base_width=32)
    nn.functional.cross_entropy(network(torch.randn(2, 3, 32, 32, 32)), torch.tensor([0, 1])).backward()
    assert all(block.attention.gain.grad.abs() > 0 for block in network.blocks())


def test_training_in_bfloat16_keeps_single_precision_weights() -> None:
    network = with_open_attention(ResNet3d(depth=10, base_width=32))
    network.to(memory_format=torch.channels_last_3d)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(torch.randn(1, 3, 24, 24, 24).to(memory_format=torch.channels_last_3d))
    logits.float().sum().backward()
    assert logits.dtype == torch.bfloat16
    assert all(parameter.grad.dtype == torch.float32 for parameter in network.parameters())


def test_group_norm_makes_a_patient_s_answer_independent_of_the_batch_even_in_training() -> None:
    torch.manual_seed(2)
    x = torch.randn(2, 3, 32, 32, 32)
    differences = []
    for recipe in RECIPES:
        network = ResNet3d(depth=10, base_width=32, attention="none", recipe=recipe).train()
        with torch.no_grad():
            differences.append((network(x)[:1] - network(torch.cat([x[:1], x[1:] * 3]))[:1]).abs().max().item())
    standard, bit = differences
    assert bit < 1e-5 < standard


@pytest.mark.parametrize(
    "options",
    [{"depth": 50}, {"attention": "slice"}, {"recipe": "paper"}, {"base_width": 48}, {"base_width": 0}],
)
def test_a_description_that_means_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ResNet3d(**options)


def test_the_standard_recipe_takes_any_width() -> None:
    network = ResNet3d(depth=10, base_width=12, recipe="standard", attention="self").eval()
    assert network(torch.randn(1, 3, 16, 16, 16)).shape == (1, 2)


@pytest.mark.parametrize(
    ("attention", "recipe", "count"),
    [("none", "standard", 241_010), ("none", "bit", 241_010), ("cbam", "bit", 242_276), ("self", "bit", 262_965)],
)
def test_three_stages_of_width_16_end_at_the_grid_of_four_on_twice_the_size(
    attention: str, recipe: str, count: int
) -> None:
    """Stem 3 * 343 * 16, then 27 * (2 * 16² + 16 * 32 + 32² + 32 * 64 + 64²), shortcuts, norms, and 4C² + 4C + 1."""
    network = ResNet3d(depth=10, base_width=16, attention=attention, recipe=recipe, stages=3, groups=8).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    with torch.inference_mode():
        assert network.features(torch.zeros(1, 3, 48, 48, 48)).shape == (1, 64, 3, 3, 3)
    norms = [module for module in network.modules() if isinstance(module, ExactGroupNorm)]
    assert {norm.num_groups for norm in norms} == ({8} if recipe == "bit" else set())


@pytest.mark.parametrize("wrong", [{"stages": 0}, {"stages": 5}, {"groups": 0}, {"base_width": 24, "groups": 16}])
def test_stages_and_groups_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ResNet3d(**wrong)
