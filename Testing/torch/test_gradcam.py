"""Grad-CAM gives the numbers of Captum, with a gradient through the tail of the network only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from LesionLensLib.explain.gradcam import gradcam
from LesionLensLib.explain.layers.choice import asked_layers
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import OutputReadout, RiskReadout
from LesionLensLib.geometry import Grid
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.resnet3d import ResNet3d

SIZE = (32, 24, 40)
GRID = Grid(SIZE[::-1], (1.0, 1.0, 1.5), (4.0, -3.0, 9.0))


def resnet_question(count: int = 1) -> Question:
    torch.manual_seed(3)
    networks = tuple(ResNet3d(3, 2, depth=10, base_width=8, stages=3, groups=4).eval() for _ in range(count))
    for network in networks:
        for block in network.blocks():
            nn.init.constant_(block.attention.gain, 0.4)
    return Question(networks, torch.randn(1, 3, *SIZE), GRID, ("T1c", "FLAIR", "lesion"), RiskReadout())


def chmfl_question() -> Question:
    torch.manual_seed(1)
    network = CHMFL(levels=3, base_width=4, hidden=[8]).eval()
    return Question((network,), torch.randn(1, 2, *SIZE), GRID, ("PET", "CT"), RiskReadout())


def by_captum(network: nn.Module, layer: nn.Module, images: Tensor, signed: bool) -> Tensor:
    attribution = pytest.importorskip("captum.attr", reason="captum is not installed: nothing to compare with")

    def margin(x: Tensor) -> Tensor:
        logits = network.outcome_logits(x) if isinstance(network, CHMFL) else network(x)
        return logits[:, 1] - logits[:, 0]

    return attribution.LayerGradCam(margin, layer).attribute(images, relu_attributions=not signed)[0, 0].detach()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("name", "stage"), [("stage 1", 0), ("stage 2", 1), ("stage 3", 2)])
def test_it_is_the_grad_cam_of_captum(name: str, stage: int, signed: bool) -> None:
    asked = resnet_question()
    layer = asked_layers(asked, name)[0]
    expected = by_captum(asked.networks[0], asked.networks[0].stages[stage][-1], asked.image, signed)
    found = gradcam(asked, name, signed)
    enlarged = layer.placement.enlarge(expected.numpy(), SIZE)
    scale = float(np.abs(gradcam(asked, name, True).array).max())
    assert scale > 0
    np.testing.assert_allclose(found.array, enlarged, atol=1e-5 * scale)
    assert found.grid == GRID
    assert (found.array.min() < 0) == signed


@pytest.mark.parametrize("branch", [0, 1])
def test_a_branch_of_chmfl_gives_the_grad_cam_of_captum(branch: int) -> None:
    asked = chmfl_question()
    name = f"level 2 of {asked.roles[branch]}"
    expected = by_captum(asked.networks[0], asked.networks[0].branches[branch].levels[1], asked.image, True)
    enlarged = asked_layers(asked, name)[0].placement.enlarge(expected.numpy(), SIZE)
    np.testing.assert_allclose(gradcam(asked, name, True).array, enlarged, atol=1e-5 * np.abs(enlarged).max())


def test_the_branches_of_a_level_add_up() -> None:
    asked = chmfl_question()
    both = gradcam(asked, "level 2", True).array
    each = [gradcam(asked, f"level 2 of {role}", True).array for role in asked.roles]
    np.testing.assert_allclose(both, each[0] + each[1], atol=1e-6 * np.abs(both).max())


def test_networks_of_an_ensemble_are_averaged_before_what_is_negative_goes() -> None:
    asked = resnet_question(3)
    singles = [gradcam(replace(asked, networks=(network,)), None, True).array for network in asked.networks]
    np.testing.assert_allclose(gradcam(asked, None, True).array, np.mean(singles, 0), atol=1e-6)
    assert gradcam(asked).array.min() == 0


def test_the_map_of_a_network_that_adds_up_one_region_is_that_region() -> None:
    """One channel that copies the image, and a head that is its mean: the gradient is the same everywhere."""
    conv = nn.Conv3d(1, 2, 1, bias=False)
    nn.init.constant_(conv.weight, 1.0)
    head = nn.Linear(2, 1, bias=False)
    head.weight.data = torch.tensor([[3.0, -1.0]])
    network = nn.Sequential(conv, nn.AdaptiveAvgPool3d(1), nn.Flatten(), head).eval()
    image = torch.zeros(1, 1, *SIZE)
    image[0, 0, 5:9, 6:10, 7:20] = 2.5
    image[0, 0, 20, 20, 20] = -1.0
    voxels = image[0, 0].numel()
    asked = Question((network,), image, GRID, ("T1",), OutputReadout())
    expected = image[0, 0].numpy() * (3.0 - 1.0) / voxels
    np.testing.assert_allclose(gradcam(asked, "layer 1", True).array, expected, atol=1e-9)
    np.testing.assert_allclose(gradcam(asked, "layer 1").array, np.maximum(expected, 0), atol=1e-9)


def test_the_graph_begins_at_the_layer_and_the_network_keeps_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resnet_question()
    network = asked.networks[0]
    tracked: list[bool] = []
    for block in network.blocks():

        def watched(x: Tensor, inner: Callable[[Tensor], Tensor] = block.forward) -> Tensor:
            output = inner(x)
            tracked.append(output.requires_grad)
            return output

        monkeypatch.setattr(block, "forward", watched)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    gradcam(asked, "stage 2")
    assert tracked == [False, False, True]
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_it_works_while_gradients_are_switched_off() -> None:
    asked = resnet_question()
    expected = gradcam(asked).array
    with torch.no_grad():
        assert np.array_equal(gradcam(asked).array, expected)
