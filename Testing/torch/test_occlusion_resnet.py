"""Occlusion of the attention ResNet, with all that a cube cannot change kept, is the occlusion of whole passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from occlusion_cases import alike, differences, question, with_statistics
from torch import nn
from torch.nn.functional import conv3d, max_pool3d

from LesionLensLib.explain.occlusion.changed_attention import ChangedAttention
from LesionLensLib.explain.occlusion.changed_map import Kernel, Patch
from LesionLensLib.explain.occlusion.incremental_resnet import ResnetOccluder
from LesionLensLib.explain.occlusion.map import occlusion_map
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.inference.folded_resnet3d import FoldedSelfAttention, fold
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.self_attention import SelfAttention

SHAPE = (24, 33, 30)
ROUNDING = 2e-6
VARIANTS: dict[str, dict[str, Any]] = {
    "batch norm": {"recipe": "standard", "attention": "none"},
    "batch norm, CBAM": {"recipe": "standard", "attention": "cbam", "cbam_reduction": 4},
    "batch norm, self-attention": {"recipe": "standard", "attention": "self"},
    "batch norm, reduced self-attention": {"recipe": "standard", "attention": "self", "attention_reduction": 2},
    "group norm": {"recipe": "bit", "attention": "none"},
    "group norm, CBAM": {"recipe": "bit", "attention": "cbam", "cbam_reduction": 4},
    "group norm, self-attention": {"recipe": "bit", "attention": "self"},
}
CUBES = [((1, 1, 1), (1, 1, 1)), ((8, 8, 8), (8, 8, 8)), ((3, 5, 2), (2, 3, 2)), ((24, 7, 40), (9, 7, 40))]
KERNELS = [Kernel(7, 2, 3), Kernel(3, 2, 1), Kernel(3, 1, 1), Kernel(2, 2, 0)]


def built(depth: int = 10, stages: int = 3, **options: Any) -> ResNet3d:
    torch.manual_seed(4)
    network = with_statistics(ResNet3d(3, 2, depth, 8, stages=stages, groups=4, **options))
    assert isinstance(network, ResNet3d)
    for block in network.blocks():
        if isinstance(block.attention, SelfAttention) and block.attention.gain is not None:
            nn.init.constant_(block.attention.gain, 0.4)
    return network


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("size", "stride"), CUBES)
def test_what_a_cube_cannot_change_is_kept_and_the_answer_is_that_of_whole_passes(
    variant: str, size: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    asked = question((built(**VARIANTS[variant]),), torch.randn(1, 3, *SHAPE))
    apart, moved = differences(asked, alike(ResnetOccluder), size, stride, "mean", [(0, 1), (2,)])
    assert apart < ROUNDING
    assert moved > (1e-7 if size == (1, 1, 1) else 1e-5)


def test_attention_is_corrected_where_few_of_its_voxels_change() -> None:
    asked = question((built(recipe="standard", attention="self"),), torch.randn(1, 3, 56, 56, 64))
    apart, moved = differences(asked, alike(Corrected), (4, 4, 4), (4, 4, 4), "zero", [(0, 1, 2)], count=4)
    assert apart < ROUNDING
    assert moved > 1e-7


def test_a_deeper_network_of_a_larger_image_is_cut_out_over_several_blocks() -> None:
    network = built(18, 2, recipe="standard", attention="none")
    asked = question((network,), torch.randn(1, 3, 64, 64, 72))
    apart, moved = differences(asked, alike(Local), (8, 8, 8), (8, 8, 8), "zero", [(0, 1, 2)], count=4)
    assert apart < ROUNDING
    assert moved > 1e-6


class Corrected(ResnetOccluder):
    """Fails where attention is computed in full."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        assert self.attention is not None


class Local(ResnetOccluder):
    """Fails where no block is computed in parts."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        assert len(self.local) == 2


def test_the_map_of_an_ensemble_is_that_of_the_reference_loop() -> None:
    networks = tuple(built(recipe=recipe, attention="self") for recipe in ("standard", "bit"))
    asked = question((*networks, fold(networks[0])), torch.randn(1, 3, 16, 16, 24))
    quick = occlusion_map(asked, OcclusionSettings(8.0, per_channel=True))
    plain = occlusion_map(asked, OcclusionSettings(8.0, per_channel=True, plain=True))
    assert (quick.method, quick.plain_because, plain.method) == ("incremental", "", "plain")
    assert set(quick.by_role) == {"PET", "CT"}
    assert abs(quick.total - plain.total).max() < ROUNDING
    assert abs(plain.total).max() > 1e-5


def test_networks_in_half_precision_are_evaluated_cube_by_cube() -> None:
    network = fold(built(recipe="standard", attention="none")).bfloat16()
    found = occlusion_map(question((network,), torch.randn(1, 3, 8, 8, 8).bfloat16()), OcclusionSettings(4.0))
    assert found.method == "plain"
    assert "float32" in found.plain_because


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_layer_reaches_just_the_cells_that_see_the_patch(kernel: Kernel) -> None:
    for low in range(3, 7):
        for count in (1, 2, 5):
            line, ones = torch.zeros(1, 1, 1, 1, 16), torch.ones(1, 1, 1, 1, kernel.size)
            line[..., low : low + count] = 1
            seen = conv3d(line, ones, None, (1, 1, kernel.stride), (0, 0, kernel.padding))
            cells = seen.flatten().nonzero().flatten()
            reached = kernel.reached(torch.tensor([[low, low, low]]), (count, count, count))
            assert reached.first[0, 2] == cells[0]
            assert reached.counts[2] == len(cells) <= kernel.most((count, count, count))[2]
            widened = nn.functional.pad(line[..., low : low + count], reached.margins[:2])
            alone = conv3d(widened, ones, None, (1, 1, kernel.stride))
            assert torch.equal(alone.flatten(), seen.flatten()[cells])


@pytest.mark.parametrize(("folded", "residual"), [(False, True), (True, True), (True, False), (False, False)])
@pytest.mark.parametrize("sharpness", [0.3, 4.0])
def test_attention_is_corrected_for_the_voxels_that_change(folded: bool, residual: bool, sharpness: float) -> None:
    torch.manual_seed(0)
    block = SelfAttention(8, residual=residual)
    if block.gain is not None:
        nn.init.constant_(block.gain, 0.5)
    for layer in (block.query, block.key):
        nn.init.normal_(layer.weight, std=sharpness)
    features, changed = torch.randn(1, 8, 6, 7, 5), torch.randn(2, 8, 3, 2, 4)
    changed[:, :, 0] = 0
    patch = Patch(changed, torch.tensor([[1, 2, 1], [4, 6, -1]]))
    with torch.inference_mode():
        attention = ChangedAttention(FoldedSelfAttention(block) if folded else block, features)
        found = attention.attended(patch)
        expected = features.repeat(2, 1, 1, 1, 1)
        expected[0, :, 1:4, 2:4, 1:5] += changed[0]
        expected[1, :, 4:6, 6:7, 0:3] += changed[1, :, :2, :1, 1:]
        expected = block(expected)
    assert (found - expected).abs().max() < 2e-5 * expected.abs().max()
    assert (expected - block(features)).abs().max() > 0.1


def test_pooling_commutes_with_what_group_norm_does_to_a_channel() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, 6, 6, 6)
    scale = torch.tensor([0.7, -1.3]).view(1, 2, 1, 1, 1)
    expected = max_pool3d((scale * x + 0.1).relu(), 3, 2, 1)
    found = (scale.abs() * max_pool3d(scale.sign() * x, 3, 2, 1) + 0.1).relu()
    assert torch.allclose(found, expected)
