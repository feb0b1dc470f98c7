"""RSANet as published: parameter counts, sizes, the way gradients and influence flow."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import pad

from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.networks.unet_blocks import Upsample, match_size


@pytest.mark.parametrize(
    ("kind", "attention", "count"),
    [
        ("none", "111", 23_766_368),
        ("rsa", "010", 24_554_339),
        ("rsa", "101", 24_161_126),
        ("rsa", "111", 24_949_097),
        ("nonlocal", "010", 24_291_936),
        ("nonlocal", "101", 24_029_792),
        ("nonlocal", "111", 24_555_360),
    ],
)
def test_parameter_counts_are_the_published_ones(kind: str, attention: str, count: int) -> None:
    with torch.device("meta"):
        network = RSANet(3, 2, 32, attention, kind)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_attention_without_projections_adds_three_scalars_a_block() -> None:
    with torch.device("meta"):
        network = RSANet(3, 2, 32, "111", projections=False)
    assert sum(parameter.numel() for parameter in network.parameters()) == 23_766_368 + 9


@pytest.mark.parametrize("size", [(16, 16, 16), (17, 13, 9), (1, 5, 30), (31, 1, 2)])
def test_any_size_comes_out_as_it_went_in(size: tuple[int, int, int]) -> None:
    network = RSANet(base_width=8).eval()
    with torch.inference_mode():
        assert network(torch.randn(2, 3, *size)).shape == (2, 2, *size)


def test_an_odd_size_loses_the_surplus_plane_at_its_low_side() -> None:
    line = torch.arange(3.0).view(1, 1, 1, 1, 3)
    doubled = Upsample(1, 1)
    torch.nn.init.ones_(doubled.conv.weight)
    assert doubled(line, (2, 2, 5)).flatten().tolist()[:5] == [0, 1, 1, 2, 2]
    assert match_size(line, (1, 1, 4)).flatten().tolist() == [0, 0, 1, 2]


def test_every_parameter_receives_a_gradient_in_bfloat16_training() -> None:
    torch.manual_seed(0)
    network = RSANet(base_width=8).to(memory_format=torch.channels_last_3d)
    with torch.no_grad():
        for block in (network.encoder_attention, network.centre_attention, network.decoder_attention):
            block.alpha.fill_(0.1)
    images = torch.randn(1, 3, 32, 32, 32).to(memory_format=torch.channels_last_3d)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    assert logits.dtype == torch.bfloat16
    logits.float().square().mean().backward()
    silent = [name for name, parameter in network.named_parameters() if not parameter.grad.abs().max() > 0]
    assert [name for name in silent if not name.endswith("phi.bias")] == []


def test_a_fresh_network_with_attention_equals_the_plain_one() -> None:
    torch.manual_seed(1)
    attentive, plain = RSANet(base_width=8).eval(), RSANet(base_width=8, kind="none").eval()
    plain.load_state_dict(attentive.state_dict(), strict=False)
    x = torch.randn(1, 3, 16, 24, 16)
    with torch.inference_mode():
        assert torch.equal(attentive(x), plain(x))


def test_attention_stands_where_its_digits_say() -> None:
    network = RSANet(base_width=8, attention="010", kind="nonlocal")
    names = [type(getattr(network, f"{place}_attention")).__name__ for place in ("encoder", "centre", "decoder")]
    assert names == ["Identity", "NonLocalBlock", "Identity"]


@pytest.mark.parametrize("options", [{"attention": "11"}, {"attention": "112"}, {"kind": "local"}])
def test_a_description_that_means_nothing_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RSANet(base_width=8, **options)


def test_padding_at_the_low_side_also_enlarges() -> None:
    volume = torch.ones(1, 1, 2, 2, 2)
    assert torch.equal(match_size(volume, (3, 2, 2)), pad(volume, (0, 0, 0, 0, 1, 0)))
