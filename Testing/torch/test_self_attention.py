"""Self-attention as in the paper's formula, and without ever storing the voxels x voxels map."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from LesionLensLib.networks.self_attention import SelfAttention


def make_block(channels: int = 8, gain: float = 0.7, **options: int | bool) -> SelfAttention:
    torch.manual_seed(0)
    block = SelfAttention(channels, **options)
    if block.gain is not None:
        nn.init.constant_(block.gain, gain)
    return block


def as_in_the_paper(block: SelfAttention, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return output and map (N, i, j) in double precision, by 1 x 1 x 1 convolutions and with the map stored."""

    def project(layer: nn.Linear, features: Tensor) -> Tensor:
        kernel = layer.weight.double()[..., None, None, None]
        return nn.functional.conv3d(features, kernel, layer.bias.double())

    features = x.double()
    q, k, v = (project(layer, features).flatten(2) for layer in (block.query, block.key, block.value))
    exponentials = torch.exp(torch.einsum("nci,ncj->nij", q, k) * block.scale)
    weights = exponentials / exponentials.sum(1, keepdim=True)
    mixed = torch.einsum("nij,nci->ncj", weights, v).view(x.shape[0], -1, *x.shape[2:])
    return project(block.output, mixed), weights


@pytest.mark.parametrize("options", [{}, {"reduction": 2}, {"reduction": 8}, {"scaled": True}])
def test_it_is_the_paper_s_formula_behind_a_gain(options: dict[str, int | bool]) -> None:
    block = make_block(**options)
    x = torch.randn(2, 8, 3, 5, 4)
    expected = x + 0.7 * as_in_the_paper(block, x)[0]
    torch.testing.assert_close(block(x).double(), expected, atol=1e-5, rtol=0)


def test_without_the_residual_path_it_is_the_formula_alone() -> None:
    block = make_block(residual=False)
    x = torch.randn(1, 8, 3, 4, 2)
    torch.testing.assert_close(block(x).double(), as_in_the_paper(block, x)[0], atol=1e-5, rtol=0)
    assert "gain" not in dict(block.named_parameters())


def test_a_new_block_is_the_identity() -> None:
    x = torch.randn(1, 8, 3, 4, 2)
    assert torch.equal(SelfAttention(8)(x), x)


@pytest.mark.parametrize(("reduction", "count"), [(1, 4 * 64**2 + 4 * 64 + 1), (8, 4 * 64 * 8 + 3 * 8 + 64 + 1)])
def test_the_parameter_count_is_that_of_four_projections(reduction: int, count: int) -> None:
    assert sum(parameter.numel() for parameter in SelfAttention(64, reduction).parameters()) == count


def test_permuting_the_voxels_permutes_the_output() -> None:
    block = make_block()
    x = torch.randn(1, 8, 3, 4, 5)
    order = torch.randperm(60)
    shuffled = x.flatten(2)[..., order].view(x.shape)
    torch.testing.assert_close(block(shuffled).flatten(2), block(x).flatten(2)[..., order], atol=2e-6, rtol=0)


def test_the_maps_are_the_columns_of_the_paper_s_map() -> None:
    block = make_block()
    x = torch.randn(2, 8, 3, 4, 5) * 2
    targets = torch.tensor([[0, 0, 0], [2, 3, 4], [1, 0, 3]])
    maps = block.maps_of(x, targets)
    columns = as_in_the_paper(block, x)[1][..., [0, 59, 23]].transpose(1, 2)
    assert maps.shape == (2, 3, 3, 4, 5)
    torch.testing.assert_close(maps.flatten(2).double(), columns, atol=1e-6, rtol=0)
    torch.testing.assert_close(maps.sum((2, 3, 4)), torch.ones(2, 3), atol=4e-7, rtol=0)


@pytest.mark.parametrize("target", [(3, 0, 0), (0, -1, 0)])
def test_a_target_outside_of_the_volume_is_refused(target: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="outside"):
        make_block().maps_of(torch.randn(1, 8, 3, 4, 5), torch.tensor([target]))


@pytest.mark.filterwarnings("ignore:Flash attention kernel not used", "ignore:All fused kernels require")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_only_the_kernel_that_stores_no_map_is_used(layout: torch.memory_format) -> None:
    block = make_block(16)
    x = torch.randn(1, 16, 4, 6, 5).to(memory_format=layout).requires_grad_()
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        block(x).sum().backward()
        # What it guards against: the strided view makes torch fall back to the path that stores the map.
        strided = x.detach().contiguous().flatten(2).transpose(1, 2).unsqueeze(1)
        with pytest.raises(RuntimeError, match=r"[Nn]o viable backend|No available kernel"):
            scaled_dot_product_attention(strided, strided, strided)


def test_training_keeps_less_than_a_map_for_the_way_back() -> None:
    block, voxels = make_block(8), 12**3
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    x = torch.randn(1, 8, 12, 12, 12, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        block(x).sum().backward()
    assert 0 < sum(kept.values()) < 4 * voxels**2 / 10


def test_gradients_are_those_of_the_formula() -> None:
    block = make_block(8, reduction=2)
    x = torch.randn(1, 8, 3, 2, 4, requires_grad=True)
    block(x).square().sum().backward()
    ours = {name: parameter.grad.clone() for name, parameter in block.named_parameters()}
    block.zero_grad()
    slow = x.detach().clone().requires_grad_()
    (slow + block.gain * as_in_the_paper(block, slow)[0]).square().sum().backward()
    torch.testing.assert_close(x.grad, slow.grad, atol=1e-4, rtol=1e-4)
    for name, parameter in block.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-4, rtol=1e-4)


def test_autocast_leaves_the_logits_in_full_precision() -> None:
    block = make_block(8)
    x = torch.randn(1, 8, 4, 4, 4) * 3
    with torch.autocast("cpu", torch.bfloat16):
        inside = block(x)
    assert torch.equal(inside, block(x))


@pytest.mark.parametrize("reduction", [0, 3, 16])
def test_a_reduction_that_does_not_divide_the_channels_is_refused(reduction: int) -> None:
    with pytest.raises(ValueError, match="must divide the 8 channels"):
        SelfAttention(8, reduction)
