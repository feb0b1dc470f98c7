"""The streamed pass is the plain network: same numbers, whatever the slabs and threads, with one feature volume."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from LesionLensLib.inference.cpu import PLAIN, FastPath
from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inference.passes import predict_whole, prepare
from LesionLensLib.inference.planes import ChannelMoments, convolve, slab_depth
from LesionLensLib.inference.streamed_rsanet import StreamedRSANet
from LesionLensLib.networks.rsanet import RSANet

SMALL_SLABS = 20_000


def lively_network(seed: int = 0, **options: object) -> RSANet:
    """An RSANet of width 8 whose attention, norms and output all matter, unlike those of a fresh one."""
    torch.manual_seed(seed)
    network = RSANet(**{"base_width": 8, **options}).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "norm" in name or name.endswith("bias"):
                parameter.add_(torch.randn_like(parameter) * 0.2)
            if name.endswith("alpha"):
                parameter.copy_(torch.tensor([0.2, -0.1, 0.15]))
        network.classifier.weight.mul_(3)
    return network


@pytest.mark.parametrize("size", [(16, 16, 32), (19, 23, 13), (5, 1, 3)])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_size_gives_the_plain_network_s_probability(size: tuple[int, int, int], workers: int) -> None:
    network, x = lively_network(), torch.randn(3, *size)
    streamed = StreamedRSANet(network, torch.float32, workers, SMALL_SLABS)(x)
    plain = predict_whole(network, x)
    assert streamed.shape == size
    assert streamed.dtype == torch.float32
    assert float(plain.std()) > 0.01
    assert float(abs(streamed.numpy() - plain).max()) < 2e-6


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "none"},
        {"kind": "nonlocal"},
        {"attention": "010"},
        {"projections": False},
        {"scaled_logits": True},
        {"slice_order": "code", "in_channels": 1},
    ],
)
def test_every_kind_of_rsanet_is_streamed(options: dict[str, object]) -> None:
    network = lively_network(**options)
    x = torch.randn(network.stem.in_channels, 14, 17, 11)
    streamed = StreamedRSANet(network, slab_bytes=SMALL_SLABS)(x)
    assert float(abs(streamed.numpy() - predict_whole(network, x)).max()) < 4e-6


def test_bfloat16_changes_probabilities_little_and_decisions_hardly() -> None:
    network, x = lively_network(), torch.randn(3, 21, 23, 17)
    fast = StreamedRSANet(network, torch.bfloat16, 2, SMALL_SLABS)(x).numpy()
    plain = predict_whole(network, x)
    assert abs(fast - plain).max() < 0.05
    middle = float(torch.tensor(plain).median())
    both = ((fast > middle) & (plain > middle)).sum()
    assert 2 * both / ((fast > middle).sum() + (plain > middle).sum()) > 0.97


def test_the_same_input_gives_the_same_bytes_on_two_threads() -> None:
    network, x = lively_network(), torch.randn(3, 21, 23, 17)
    streamed = StreamedRSANet(network, torch.bfloat16, 2, SMALL_SLABS)
    assert streamed(x).numpy().tobytes() == streamed(x).numpy().tobytes()


def test_the_input_and_the_network_are_left_as_they_were() -> None:
    network, x = lively_network(), torch.randn(3, 9, 12, 10)
    image, weights = x.clone(), {name: tensor.clone() for name, tensor in network.state_dict().items()}
    StreamedRSANet(network, torch.float32, 2, SMALL_SLABS)(x)
    assert torch.equal(x, image)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())


class Allocations(TorchDispatchMode):
    """Counts the new tensors by number of elements."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        known = {id(arg) for arg in args}
        result = func(*args, **(kwargs or {}))
        fresh = isinstance(result, Tensor) and id(result) not in known and result._base is None
        if fresh and not func.is_view:
            self.sizes.append(result.numel())
        return result


def test_only_one_feature_volume_of_full_size_is_ever_made() -> None:
    network, x = lively_network(), torch.randn(3, 24, 16, 16)
    streamed = StreamedRSANet(network, torch.float32, 1, SMALL_SLABS)
    with Allocations() as made:
        streamed(x)
    assert [size for size in made.sizes if size >= 8 * 24 * 16 * 16] == [8 * 24 * 16 * 16]


def test_a_broken_worker_raises_and_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    streamed = StreamedRSANet(lively_network(), torch.float32, 2, SMALL_SLABS)
    with pytest.raises(RuntimeError):
        streamed(torch.randn(2, 21, 23, 17))
    assert torch.get_num_threads() == before
    assert streamed(torch.randn(3, 9, 8, 7)).shape == (9, 8, 7)


def test_prepare_streams_where_it_is_faster_or_leaner() -> None:
    network, x = lively_network(), torch.randn(3, 9, 12, 10)
    fast = DeviceChoice("cpu", "", FastPath("channels-last", "float32", ""), 2)
    plain = DeviceChoice("cpu", "", PLAIN, 1)
    expected = predict_whole(network, x)
    assert (prepare(network, plain)(x) == expected).all()
    for predictor in (prepare(network, fast), prepare(network, plain, lean=True)):
        result = predictor(x)
        assert 0 < abs(result - expected).max() < 2e-6


def test_a_network_of_three_classes_is_not_streamed() -> None:
    with pytest.raises(ValueError, match="one class against another"):
        StreamedRSANet(RSANet(out_channels=3, base_width=8))


def test_channel_moments_are_those_moments_of_double_precision_however_cut() -> None:
    torch.manual_seed(0)
    planes = torch.randn(40, 50, 30, 8) * 0.5 + torch.arange(8.0)
    whole = ChannelMoments.of(planes).of_groups(4)
    cut = ChannelMoments.joined([ChannelMoments.of(part) for part in planes.split(7)]).of_groups(4)
    exact = planes.double().unflatten(3, (4, 2))
    for mean, variance in (whole, cut):
        torch.testing.assert_close(mean[::2].double(), exact.mean((0, 1, 2, 4)), atol=0, rtol=1e-6)
        torch.testing.assert_close(variance[::2].double(), exact.var((0, 1, 2, 4), unbiased=False), atol=0, rtol=1e-6)


def test_convolving_planes_is_convolving_the_volume() -> None:
    planes, weight = torch.randn(6, 9, 7, 4), torch.randn(5, 4, 3, 3, 3)
    expected = torch.nn.functional.conv3d(planes.permute(3, 0, 1, 2)[None], weight, padding=(0, 1, 1))
    torch.testing.assert_close(convolve(planes, weight), expected[0].permute(1, 2, 3, 0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("plane_voxels", "depth"), [(100_000, 2), (23_010, 4), (1000, 98)])
def test_slabs_are_even_and_of_the_size_asked_for(plane_voxels: int, depth: int) -> None:
    assert slab_depth(plane_voxels, 16, 2, 3 << 20) == depth
