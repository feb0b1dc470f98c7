"""A network cut at any of its layers is still the same network, and its features lie where the layer says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from LesionLensLib.errors import UserError
from LesionLensLib.explain.layers.choice import asked_layers, default_layer, layers_of
from LesionLensLib.explain.layers.cut import Layer, Output
from LesionLensLib.explain.layers.placement import Placement
from LesionLensLib.explain.layers.spatial import Spot, UnknownPlace
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import OutputReadout, RiskReadout
from LesionLensLib.geometry import Grid
from LesionLensLib.networks.chmfl import CHMFL, ChmflOutput
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.rsanet import RSANet

SIZE = (16, 24, 16)


def small_resnet(attention: str = "self", depth: int = 18) -> nn.Module:
    network = ResNet3d(depth=depth, base_width=8, stages=3, groups=4, attention=attention, cbam_reduction=4)
    for parameter in network.parameters():
        if parameter.dim() < 2:
            nn.init.normal_(parameter, 0.5, 0.2)
    return network


def small_rsanet() -> nn.Module:
    network = RSANet(in_channels=3, base_width=8)
    for block in (network.encoder_attention, network.centre_attention, network.decoder_attention):
        nn.init.constant_(block.alpha, 0.3)
    return network


def small_stack() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU(inplace=True), nn.MaxPool3d(2)),
        nn.Conv3d(4, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.AvgPool3d(2),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    )


class StagesAndHead(nn.Module):
    """A regression network of the user's own, in the form that `stack_layers` knows."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(small_stack()[:4].children())
        self.linear = nn.Linear(8, 2)

    def head(self, features: Tensor) -> Tensor:
        return self.linear(features.mean((2, 3, 4)))

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return self.head(x)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": small_resnet,
    "resnet with cbam": lambda: small_resnet("cbam", 10),
    "rsanet": small_rsanet,
    "stack": small_stack,
    "stages and head": StagesAndHead,
    "chmfl": lambda: CHMFL(((0,), (1, 2)), levels=3, base_width=4, hidden=[8]),
    "chmfl with shared branches": lambda: CHMFL(
        ((0,), (1,), (2,)), shared_branches=True, levels=3, base_width=4, hidden=[8]
    ),
    "chmfl, deepest level flattened": lambda: CHMFL(
        ((0,), (1, 2)), flatten5=SIZE, levels=3, base_width=4, hidden=[8], decoder=False
    ),
    "chmfl, deepest level only": lambda: CHMFL(((0, 1, 2),), hierarchical=False, levels=3, base_width=4, hidden=[8]),
}


def make(name: str) -> nn.Module:
    torch.manual_seed(4)
    network = NETWORKS[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, 0.0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


def numbers(output: Output) -> list[Tensor]:
    parts = list(output) if isinstance(output, ChmflOutput) else [output]
    return [part for part in parts if part is not None]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_tail_of_the_features_is_the_network(name: str) -> None:
    network, images = make(name), torch.randn(2, 3, *SIZE)
    with torch.inference_mode():
        expected = numbers(network(images))
        layers = layers_of(network, SIZE)
        assert len(layers) >= 2
        for layer in layers:
            cut = layer.cut(images)
            before = [features.clone() for features in cut.features]
            for _ in range(2):  # a tail that wrote into its features would answer differently the second time
                for part, whole in zip(numbers(cut.tail(cut.features)), expected, strict=True):
                    torch.testing.assert_close(part, whole, atol=1e-6, rtol=1e-6)
            assert all(torch.equal(one, other) for one, other in zip(before, cut.features, strict=True))
            assert all(tuple(features.shape[2:]) == layer.size for features in cut.features)


@pytest.mark.parametrize("name", NETWORKS)
def test_cutting_leaves_the_network_as_it_was(name: str) -> None:
    network, images = make(name), torch.randn(1, 3, *SIZE)
    next(iter(network.parameters())).requires_grad_(False)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    wanted = [(parameter.requires_grad, parameter.grad) for parameter in network.parameters()]
    flags = [module.training for module in network.modules()]
    for layer in layers_of(network, SIZE):
        cut = layer.cut(images)
        numbers(cut.tail(cut.features))[0].sum().detach()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert [(parameter.requires_grad, parameter.grad) for parameter in network.parameters()] == wanted
    assert [module.training for module in network.modules()] == flags
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_level_of_chmfl_feeds_the_head_and_the_next_level() -> None:
    """Zeroing the features of a level must change both ways to the outcome, as zeroing them in the network would."""
    network, images = make("chmfl"), torch.randn(1, 3, *SIZE)
    layer = next(layer for layer in layers_of(network, SIZE) if layer.name == "level 2")
    with torch.inference_mode():
        cut = layer.cut(images)
        by_tail = cut.tail([torch.zeros_like(features) for features in cut.features]).outcome
        pairs = list(zip(network.branches, network.inputs, strict=True))
        first = [encoder.levels[0](images[:, list(own)]) for encoder, own in pairs]
        second = [torch.zeros_like(features) for features in cut.features]
        third = [encoder.levels[2](features) for (encoder, _), features in zip(pairs, second, strict=True)]
        torch.testing.assert_close(by_tail, network.head([first, second, third]), atol=1e-6, rtol=0)


def test_a_layer_of_one_branch_leaves_the_other_alone() -> None:
    network, images = make("chmfl"), torch.randn(1, 3, *SIZE)
    layers = {layer.name: layer for layer in layers_of(network, SIZE, ("PET", "CT", "lesion"))}
    assert "level 1 of PET" in layers
    layer = layers["level 2 of CT + lesion"]
    assert not layer.whole
    with torch.inference_mode():
        cut = layer.cut(images)
        (own,) = cut.features
        torch.testing.assert_close(own, network.encode(images)[1][1])
        silent = cut.tail([torch.zeros_like(own)]).outcome
        changed = images.clone()
        changed[:, 0] += 1
        other = layer.cut(changed).tail([torch.zeros_like(own)]).outcome
    assert (silent - other).abs().max() > 1e-4


def test_without_an_outline_the_tail_of_chmfl_answers_for_the_outcome_alone() -> None:
    network, images = make("chmfl"), torch.randn(1, 3, *SIZE)
    with torch.inference_mode():
        expected = network.outcome_logits(images)
        network.decoder = None
        for layer in layers_of(network, SIZE, outline=False):
            cut = layer.cut(images)
            output = cut.tail(cut.features)
            assert output.mask is None
            torch.testing.assert_close(output.outcome, expected, atol=1e-6, rtol=0)


def blurred(network: nn.Module) -> nn.Module:
    """Return `network` as a chain of positive windows: the gradient reaches all that a feature voxel sees, no more."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm3d | nn.GroupNorm):
                setattr(parent, name, nn.Identity())
            if isinstance(child, nn.MaxPool3d):
                setattr(parent, name, nn.AvgPool3d(child.kernel_size, child.stride, child.padding))
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.1)
    return network.eval()


def span_of_influence(layer: Layer, image: Tensor, middle: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and last image voxel, on each axis, that feature voxel `middle` sees."""
    (gradient,) = torch.autograd.grad(layer.cut(image).features[0][(0, 0, *middle)], image)
    reached = gradient[0].abs().sum(0).nonzero()
    return reached.min(0).values.numpy(), reached.max(0).values.numpy()


@pytest.mark.parametrize("name", ["resnet", "chmfl", "rsanet", "stack"])
def test_a_feature_voxel_is_centred_where_its_placement_says(name: str) -> None:
    networks = {
        **NETWORKS,
        "resnet": lambda: ResNet3d(depth=10, base_width=4, stages=3, attention="none", recipe="standard"),
        "rsanet": lambda: RSANet(base_width=8, kind="none"),
    }
    network, size = blurred(networks[name]()), (80, 16, 16)
    image = torch.ones(1, 3, *size, requires_grad=True)
    for layer in layers_of(network, size)[:3]:
        middle = [n // 2 for n in layer.size]
        first, last = span_of_influence(layer, image, middle)
        whole = (first > 0) & (last < np.array(size) - 1)
        assert whole[0]
        expected = np.array(layer.placement.first) + np.array(layer.placement.stride) * middle
        np.testing.assert_allclose(((first + last) / 2)[whole], expected[whole], atol=1e-6)


def test_the_default_layer_is_the_last_with_a_voxel_for_eight_of_the_image() -> None:
    size = (48, 48, 48)
    brain = ResNet3d(depth=10, base_width=8, stages=3, groups=4)
    assert default_layer(layers_of(brain, size), size).name == "stage 2"
    sarcoma = CHMFL(levels=4, base_width=2, hidden=[8])
    assert default_layer(layers_of(sarcoma, size), size).name == "level 4"
    assert default_layer(layers_of(RSANet(base_width=8), size), size).name == "decoder 4"
    coarse = nn.Sequential(nn.Conv3d(3, 2, 16, 16), nn.Flatten(), nn.Linear(54, 2))
    assert default_layer(layers_of(coarse, size), size).name == "layer 1"


def test_layers_of_a_stack_end_where_their_place_in_the_image_is_no_longer_known() -> None:
    """Layer 2 is missing: layer 3, an activation, writes into its output."""
    names = [layer.name for layer in layers_of(small_stack(), SIZE)]
    assert names == ["layer 1", "layer 3", "layer 4"]
    with pytest.raises(UnknownPlace):
        Spot((2, 2, 2)).after(5, 1, 0)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(1, 1, (3, 5, 2), (2, 1, 3), (1, 2, 0)),
        nn.Conv3d(1, 1, 3, 2, 4, dilation=3),
        nn.MaxPool3d(3, 2, 1, ceil_mode=True),
        nn.AvgPool3d((2, 3, 2)),
    ],
)
def test_the_size_behind_a_window_is_the_one_that_torch_makes(layer: nn.Module) -> None:
    image = torch.zeros(1, 1, 18, 17, 16)
    assert Spot((18, 17, 16)).behind(layer).size == tuple(layer(image).shape[2:])


def test_enlarging_evenly_placed_features_is_trilinear_interpolation_with_corners_not_aligned() -> None:
    values = np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)
    placement = Placement().after((2, 2, 2), (2, 2, 2), (0, 0, 0)).after((2, 2, 2), (2, 2, 2), (0, 0, 0))
    expected = interpolate(torch.from_numpy(values)[None, None], size=(16, 12, 20), mode="trilinear")[0, 0]
    np.testing.assert_allclose(placement.enlarge(values, (16, 12, 20)), expected, atol=1e-6)


def test_a_peak_is_enlarged_to_the_voxel_that_its_feature_is_centred_on() -> None:
    values = np.zeros((3, 4, 5))
    values[1, 2, 3] = 2.0
    enlarged = Placement((8, 4, 2), (0.0, 0.0, 0.0)).enlarge(values, (24, 16, 10))
    assert np.unravel_index(enlarged.argmax(), enlarged.shape) == (8, 8, 6)
    assert enlarged.max() == 2.0
    assert enlarged[16, 8, 6] == 0.0


def test_spreading_and_gathering_keep_the_sum() -> None:
    values = np.random.default_rng(1).random((3, 4, 2))
    placement = Placement((4, 4, 4), (0.0, 1.5, 0.0))
    spread = placement.spread(values, (11, 16, 6))
    assert spread.sum() == pytest.approx(values.sum())
    assert placement.gather(spread, (3, 4, 2)).sum() == pytest.approx(values.sum())


GRID = Grid((16, 24, 16), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))


def test_a_name_that_is_no_layer_is_answered_with_the_names_there_are() -> None:
    asked = Question((make("chmfl"),), torch.zeros(1, 3, *SIZE), GRID, ("PET", "CT", "lesion"), RiskReadout())
    assert asked_layers(asked, "level 3")[0].size == (4, 6, 4)
    with pytest.raises(UserError, match='no layer "level 9"') as caught:
        asked_layers(asked, "level 9")
    assert "level 2 of PET" in caught.value.remedy


def test_a_network_of_unknown_parts_is_referred_to_occlusion() -> None:
    class Own(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((1, 2, 3, 4), keepdim=False)[:, None]

    asked = Question((Own(),), torch.zeros(1, 3, *SIZE), GRID, ("a", "b", "c"), OutputReadout())
    with pytest.raises(UserError, match="A Own has no layer") as caught:
        asked_layers(asked)
    assert "occlusion" in caught.value.remedy


def test_networks_of_two_kinds_have_no_common_layer() -> None:
    pair = (make("resnet"), make("resnet with cbam"), make("stages and head"))
    asked = Question(pair, torch.zeros(1, 3, *SIZE), GRID, ("a", "b", "c"), RiskReadout())
    with pytest.raises(ValueError, match="not of one kind"):
        asked_layers(asked)
