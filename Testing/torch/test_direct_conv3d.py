"""Convolutions rewritten for a CPU give what torch's own give, on grids of unequal sides."""

import pytest
import torch
from torch import nn
from torch.autograd.profiler import profile

from LesionLensLib.inference.direct_conv3d import DirectConv3d, DoublingProduct, SplitConv3d
from LesionLensLib.inference.folding import fold_network
from LesionLensLib.inference.planes import has_onednn
from LesionLensLib.networks.chmfl import highest
from LesionLensLib.networks.chmfl_variants import build_chmfl
from LesionLensLib.networks.resnet3d import ResNet3d

SHAPE = (2, 6, 6, 10, 4)


def close(ours: torch.Tensor, plain: torch.Tensor) -> bool:
    return ours.shape == plain.shape and torch.allclose(ours, plain, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize(
    "options", [{}, {"stride": 2}, {"padding": 1}, {"bias": False}, {"groups": 2}, {"dilation": 2}]
)
def test_a_direct_convolution_shares_the_weights_and_the_answer(
    layout: torch.memory_format, options: dict[str, int]
) -> None:
    torch.manual_seed(1)
    plain = nn.Conv3d(6, 4, (3, 3, 1), **options).to(memory_format=layout)
    direct, x = DirectConv3d.of(plain), torch.randn(SHAPE).to(memory_format=layout)
    assert direct.weight is plain.weight
    assert close(direct(x), plain(x))
    assert close(direct(x[:1]), plain(x[:1]))


def test_a_direct_convolution_pads_as_it_was_told_and_computes_in_double_too() -> None:
    torch.manual_seed(1)
    for padding, mode in (("same", "zeros"), (1, "replicate")):
        plain, x = nn.Conv3d(6, 4, 3, padding=padding, padding_mode=mode), torch.randn(SHAPE)
        assert close(DirectConv3d.of(plain)(x), plain(x))
    assert torch.equal(DirectConv3d.of(plain.double())(x.double()), plain(x.double()))


def test_gradients_pass_a_direct_convolution_as_they_pass_a_plain_one() -> None:
    torch.manual_seed(1)
    plain, x = nn.Conv3d(6, 4, 3, padding=1), torch.randn(SHAPE)
    gradients = []
    for layer in (plain, DirectConv3d.of(plain)):
        images = x.clone().requires_grad_()
        layer(images).square().sum().backward()
        gradients.append(images.grad)
    assert torch.allclose(*gradients, atol=1e-4, rtol=1e-4)


def test_making_one_draws_no_random_number() -> None:
    plain = nn.Conv3d(2, 2, 3)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    DirectConv3d.of(plain)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
@pytest.mark.parametrize("bias", [True, False])
def test_a_split_convolution_adds_its_planes_up_also_where_the_image_is_thinner_than_the_kernel(
    depth: int, bias: bool
) -> None:
    torch.manual_seed(2)
    plain, x = nn.Conv3d(6, 2, 5, padding=2, bias=bias), torch.randn(2, 6, depth, 7, 5)
    assert close(SplitConv3d(plain)(x), plain(x))


@pytest.mark.parametrize("bias", [True, False])
def test_a_product_doubles_every_side_as_the_transposed_convolution_does(bias: bool) -> None:
    torch.manual_seed(2)
    plain, x = nn.ConvTranspose3d(6, 3, 2, 2, bias=bias), torch.randn(2, 6, 2, 3, 4)
    assert close(DoublingProduct(plain)(x), plain(x))
    last = x.to(memory_format=torch.channels_last_3d)
    assert close(DoublingProduct(plain)(last), plain(x))


@pytest.mark.parametrize("shape", [(2, 3, 4, 6, 8), (1, 5, 3, 5, 7), (2, 4, 6, 6)])
def test_the_highest_of_a_channel_is_the_same_number_in_either_layout(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    last = x.to(memory_format=torch.channels_last_3d if len(shape) == 5 else torch.channels_last)
    for features in (x, last, last.clone().requires_grad_()):
        assert torch.equal(highest(features), x.amax(tuple(range(2, len(shape)))))


@pytest.mark.skipif(not has_onednn(), reason="this torch has no oneDNN")
@pytest.mark.parametrize("network", [build_chmfl(levels=3, base_width=4, hidden=[8]), ResNet3d(2, base_width=32)])
def test_no_layer_of_a_folded_network_falls_to_the_slow_routine(network: nn.Module) -> None:
    """The images are so small that all layers of the network itself take it."""

    def slow_calls(asked: nn.Module) -> int:
        with torch.inference_mode(), profile(use_kineto=False) as seen:
            asked(torch.zeros(1, 2, 16, 16, 16))
        return sum("slow_conv" in event.key for event in seen.key_averages())

    assert slow_calls(network.eval()) > 0
    assert slow_calls(fold_network(network)) == 0
