"""Slice attention against arithmetic done by hand, against its definition, and its invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from LesionLensLib.inference.fast_slice_attention import FastSliceAttention
from LesionLensLib.networks.non_local import NonLocalBlock
from LesionLensLib.networks.slice_attention import AXES, SliceAttention


def attention_block(channels: int = 3, seed: int = 0, scale: float = 0.3, **options: object) -> SliceAttention:
    """A block with small weights (no slice dominates the softmax), plain biases and three different alphas."""
    torch.manual_seed(seed)
    block = SliceAttention(channels, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn_like(parameter) * scale)
        block.alpha.copy_(torch.tensor([0.7, -0.4, 0.5]))
    return block


def by_definition(block: SliceAttention, x: Tensor, order: tuple[str, ...]) -> np.ndarray:
    """Equations 1 and 2 of the paper in NumPy, double precision, without any of the block's own code."""
    value = x[0].double().numpy()

    def project(layer: nn.Module) -> np.ndarray:
        weight = layer.weight.detach().double().numpy()[:, :, 0, 0, 0]
        return np.einsum("oc,cdhw->odhw", weight, value) + layer.bias.detach().double().numpy()[:, None, None, None]

    for orientation in order:
        alpha = float(block.alpha.detach()[("sagittal", "coronal", "axial").index(orientation)])
        axis = {"axial": 1, "coronal": 2, "sagittal": 3}[orientation]
        slices = [np.moveaxis(project(layer), axis, 0) for layer in (block.theta, block.phi, block.g)]
        query, key, mixed = (part.reshape(part.shape[0], -1) for part in slices)
        logits = query @ key.T
        attention = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        result = (attention @ mixed).reshape(slices[2].shape)
        value = value + alpha * np.moveaxis(result, 0, axis)
    return value


def test_two_slices_give_what_arithmetic_by_hand_gives() -> None:
    block = SliceAttention(1)
    with torch.no_grad():
        for layer, weight, bias in ((block.theta, 2.0, 0.5), (block.phi, -1.0, 0.25), (block.g, 3.0, -1.0)):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
        block.alpha.copy_(torch.tensor([0.0, 0.0, 0.5]))
    x = torch.tensor([0.1, 0.3]).view(1, 1, 2, 1, 1)
    # q = (0.7, 1.1), k = (0.15, -0.05): logits (0.105, -0.035) and (0.165, -0.055); v = (-0.7, -0.1)
    torch.testing.assert_close(
        block.attention_map(x, "axial")[0],
        torch.tensor([[0.534943, 0.465057], [0.554779, 0.445221]]),
        atol=1e-6,
        rtol=0,
    )
    torch.testing.assert_close(block(x).flatten(), torch.tensor([-0.110483, 0.083566]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("order", [("sagittal", "coronal", "axial"), ("coronal", "sagittal", "axial")])
def test_three_passes_follow_the_equations_in_the_chosen_order(order: tuple[str, ...]) -> None:
    block = attention_block(order="paper" if order[0] == "sagittal" else "code")
    x = torch.randn(1, 3, 4, 5, 6) * 0.5
    np.testing.assert_allclose(block(x)[0].detach().numpy(), by_definition(block, x, order), atol=2e-6)
    other = by_definition(block, x, ("axial", "coronal", "sagittal"))
    assert np.abs(other - by_definition(block, x, order)).max() > 1e-3


def test_the_fast_form_is_the_same_function_within_a_millionth() -> None:
    block = attention_block(channels=16, scale=0.08)
    x = torch.randn(1, 16, 6, 7, 5) * 0.5
    expected = block(x)[0].detach().permute(1, 2, 3, 0)
    fast = FastSliceAttention(block)(x[0].permute(1, 2, 3, 0).contiguous())
    assert float((fast - expected).abs().max() / expected.abs().max()) <= 1e-6
    assert float((expected - x[0].permute(1, 2, 3, 0)).abs().max()) > 0.05


def test_the_fast_form_in_bfloat16_keeps_its_maps_exact() -> None:
    block = attention_block(channels=16, scale=0.08)
    x = torch.randn(1, 16, 6, 7, 5) * 0.5
    expected = block(x)[0].detach().permute(1, 2, 3, 0)
    fast = FastSliceAttention(block, torch.bfloat16)(x[0].permute(1, 2, 3, 0).contiguous().bfloat16())
    assert float((fast.float() - expected).abs().max() / expected.abs().max()) < 0.02


def test_a_wrong_bias_would_change_the_answer() -> None:
    block = attention_block()
    x = torch.randn(1, 3, 4, 5, 6) * 0.5
    before = block(x)
    with torch.no_grad():
        block.theta.bias.add_(0.1)
    assert float((block(x) - before).detach().abs().max()) > 1e-4


def test_rows_of_every_map_sum_to_one_and_have_one_entry_a_slice() -> None:
    block, x = attention_block(), torch.randn(2, 3, 4, 5, 6)
    for orientation, axis in AXES.items():
        rows = block.attention_map(x, orientation)
        assert rows.shape == (2, x.shape[axis], x.shape[axis])
        torch.testing.assert_close(rows.sum(-1), torch.ones(2, x.shape[axis]))


def test_a_new_block_is_exactly_the_identity() -> None:
    x = torch.randn(1, 8, 3, 4, 5)
    assert torch.equal(SliceAttention(8)(x), x)


def test_a_single_slice_attends_to_itself() -> None:
    block = SliceAttention(2, projections=False)
    with torch.no_grad():
        block.alpha.copy_(torch.tensor([0.0, 0.0, 0.25]))
    x = torch.randn(1, 2, 1, 4, 5)
    torch.testing.assert_close(block(x), 1.25 * x)


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_permuting_slices_permutes_the_output(axis: int) -> None:
    block, x = attention_block(), torch.randn(1, 3, 4, 5, 6) * 0.5
    order = torch.randperm(x.shape[axis])
    torch.testing.assert_close(
        block(x.index_select(axis, order)), block(x).index_select(axis, order), atol=1e-6, rtol=0
    )


def test_without_projections_permuting_channels_permutes_the_output() -> None:
    block = attention_block(projections=False)
    x = torch.randn(1, 3, 4, 5, 6) * 0.2
    order = [2, 0, 1]
    torch.testing.assert_close(block(x[:, order]), block(x)[:, order], atol=1e-6, rtol=0)


def test_scaled_logits_are_divided_by_the_root_of_a_slice_s_features() -> None:
    plain, scaled = attention_block(projections=False), attention_block(projections=False, scaled=True)
    x = torch.randn(1, 3, 4, 5, 6)
    expected = plain.attention_map(x, "coronal").log() - plain.attention_map(x, "coronal").log()[..., :1]
    actual = scaled.attention_map(x, "coronal").log() - scaled.attention_map(x, "coronal").log()[..., :1]
    torch.testing.assert_close(actual, expected / (3 * 4 * 6) ** 0.5, atol=1e-4, rtol=1e-3)


def test_three_passes_carry_one_corner_to_every_voxel() -> None:
    block, x = attention_block().double(), torch.randn(1, 3, 4, 5, 6, dtype=torch.float64) * 0.5
    changed = x.clone()
    changed[:, :, 0, 0, 0] += 1.0
    difference = passes_in_double(block, changed) - passes_in_double(block, x)
    assert bool((difference.abs().amax((0, 1)) > 1e-12).all())


def passes_in_double(block: SliceAttention, x: Tensor) -> Tensor:
    """The three passes without the cast to float32, so that tiny influences are not rounded away."""
    for orientation in block.order:
        x = block._pass(x, orientation)
    return x


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for item in result if isinstance(result, tuple | list) else (result,):
            if isinstance(item, Tensor):
                self.elements = max(self.elements, item.numel())
        return result


def test_attention_never_builds_a_matrix_of_voxels_by_voxels() -> None:
    x = torch.randn(1, 4, 8, 12, 10)
    with torch.inference_mode(), LargestTensor() as slices:
        attention_block(channels=4)(x)
    assert slices.elements == x.numel()
    with torch.inference_mode(), LargestTensor() as non_local:
        NonLocalBlock(4)(x)
    assert non_local.elements <= x.numel()


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ValueError, match="order must be one of"):
        SliceAttention(2, order="random")


def test_the_non_local_block_equals_attention_written_out() -> None:
    torch.manual_seed(3)
    block, x = NonLocalBlock(6), torch.randn(1, 6, 3, 4, 2)
    assert torch.equal(block(x), x)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    query, key, value = (layer(x)[0].flatten(1) for layer in (block.theta, block.phi, block.g))
    mixed = (query.T @ key).softmax(1) @ value.T
    expected = x + block.output(mixed.T.view(1, 3, 3, 4, 2))
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)
