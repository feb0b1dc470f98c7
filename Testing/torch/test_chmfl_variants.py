"""Every option and named variant of CHMFL: shapes, gradients, grids it takes, and what it says of those it does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.chmfl_losses import chmfl_loss
from LesionLensLib.networks.chmfl_variants import PAPER_GRID, VARIANTS, SliceBySlice, build_chmfl

SMALL: dict[str, Any] = {"base_width": 4, "hidden": (64, 32)}
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "shared": {"shared_branches": True},
    "vnet": {"fusion": "vnet"},
    "vnet-light": {"fusion": "vnet-light"},
    "projected": {"fusion": "projected"},
    "flatten5": {"flatten5": (32, 16, 48)},
    "flatten5 alone": {"flatten5": (32, 16, 48), "hierarchical": False},
    "gn-c4": {"norm": "gn-c4"},
    "gn-c8": {"norm": "gn-c8"},
    "gn-c16": {"norm": "gn-c16"},
    "gn-g4": {"norm": "gn-g4"},
    "CFL only": {"hierarchical": False},
    "HMFL only": {"decoder": False},
    "one modality": {"branches": ((0,),)},
    "early fusion": {"branches": ((0, 1),)},
    "three levels": {"levels": 3},
    "vnet of three levels": {"levels": 3, "fusion": "vnet"},
    "one hidden layer": {"hidden": (7,)},
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def cancelled_biases(network: nn.Module) -> set[str]:
    """Biases that the normalisation right behind them takes away again, so that only rounding could give a gradient."""
    names = set()
    for name, block in network.named_modules():
        if isinstance(block, nn.Sequential) and len(block) == 3:
            norm = block[1]
            per_group = norm.num_channels // norm.num_groups if isinstance(norm, nn.GroupNorm) else 1
            if per_group == 1 and not isinstance(block[0], nn.Linear):
                names.add(f"{name}.0.bias")
    return names


def silent_parameters(network: nn.Module, volume: Tensor) -> list[str]:
    """Names of the parameters that get no gradient from both losses together, though they could."""
    output = network(volume)
    images, depth, height, width = volume.shape[0], *volume.shape[2:]
    outcome = torch.arange(images) % 2
    mask = None if output.mask is None else torch.randint(2, (images, depth, height, width))
    chmfl_loss(output, outcome, mask, 0.0 if mask is None else 0.5).total.backward()
    gradients = {name: each.grad for name, each in network.named_parameters()}
    silent = {name for name, gradient in gradients.items() if gradient is None or gradient.abs().max() < 1e-7}
    return sorted(silent - cancelled_biases(network))


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_gives_both_answers_on_an_anisotropic_grid_and_learns_everywhere(name: str) -> None:
    network = CHMFL(**{**SMALL, **OPTIONS[name]})
    x = torch.randn(2, network.in_channels, 32, 16, 48)
    assert silent_parameters(network, x) == []
    with torch.inference_mode():
        for images in (1, 2):
            output = network.eval()(x[:images])
            assert output.outcome.shape == (images, 2)
            if network.decoder is None:
                assert output.mask is None
            else:
                assert output.mask is not None
                assert output.mask.shape == (images, 2, 32, 16, 48)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_of_the_paper_takes_volumes_with_the_channels_of_its_roles(name: str) -> None:
    options = {"flatten5": (16, 32, 16)} if name == "chmfl-flatten5" else {}
    network = build_chmfl(name, **SMALL, **options)
    roles = VARIANTS[name].roles
    x = torch.randn(1, len(roles), 16, 32, 16)
    assert silent_parameters(network, x) == []
    with torch.inference_mode():
        output = network.eval()(x)
        assert torch.equal(network.outcome_logits(x), output.outcome)
    assert output.outcome.shape == (1, 2)
    assert (output.mask is None) == (name == "mask-hmfl" or "cnn" in name)
    if output.mask is not None:
        assert output.mask.shape == (1, 2, 16, 32, 16)


def test_the_variants_hold_the_parts_their_names_promise() -> None:
    with torch.device("meta"):
        networks = {name: build_chmfl(name) for name in VARIANTS}
    pooled = {}
    for name, network in networks.items():
        inner = network.network if isinstance(network, SliceBySlice) else network
        assert isinstance(inner, CHMFL)
        pooled[name] = inner.head.layers[0].in_features
    assert pooled["chmfl"] == pooled["mask-hmfl"] == pooled["chmfl-2d"] == 992
    assert pooled["cfl"] == pooled["3d-cnn-pet-ct"] == pooled["2d-cnn-pet-ct"] == 512
    assert pooled["3d-cnn-ct"] == pooled["3d-cnn-pet"] == pooled["2d-cnn-ct"] == pooled["2d-cnn-pet"] == 256
    assert pooled["chmfl-flatten5"] == 480 + 225_792
    assert networks["mask-hmfl"].inputs == ((0, 2), (1, 2))
    assert networks["mask-hmfl"].branches[0].levels[0][0].weight.shape == (16, 2, 5, 5, 5)
    assert all(isinstance(networks[name], SliceBySlice) == ("2d" in name) for name in VARIANTS)


def test_mask_and_hmfl_shows_the_tumour_mask_to_both_branches() -> None:
    network = build_chmfl("mask-hmfl", **SMALL).eval()
    assert isinstance(network, CHMFL)
    x = torch.randn(1, 3, 16, 16, 16)
    other = x.clone()
    other[:, 2] += 1
    with torch.inference_mode():
        pet, ct = network.encode(x)[0]
        other_pet, other_ct = network.encode(other)[0]
    assert not torch.equal(pet, other_pet)
    assert not torch.equal(ct, other_ct)


def test_a_two_dimensional_network_answers_with_the_mean_probability_of_the_slices_that_count() -> None:
    network = build_chmfl("2d-cnn-pet-ct", **SMALL).eval()
    assert isinstance(network, SliceBySlice)
    x = torch.randn(2, 2, 3, 16, 16)
    counted = torch.tensor([[True, True, True], [False, True, False]])
    with torch.inference_mode():
        slices = [network.network.outcome_logits(x[:, :, k]).softmax(1) for k in range(3)]
        everything, some = network.outcome_logits(x).softmax(1), network.outcome_logits(x, counted).softmax(1)
    torch.testing.assert_close(everything, torch.stack(slices).mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(some, torch.stack([everything[0], slices[1][1]]), atol=1e-5, rtol=1e-5)


def test_a_two_dimensional_network_outlines_each_slice_by_itself() -> None:
    network = build_chmfl("chmfl-2d", **SMALL).eval()
    assert isinstance(network, SliceBySlice)
    x = torch.randn(2, 2, 3, 16, 32)
    with torch.inference_mode():
        mask = network(x).mask
        alone = network.network(x[1:, :, 2]).mask
    assert mask is not None
    assert mask.shape == (2, 2, 3, 16, 32)
    torch.testing.assert_close(mask[1:, :, 2], alone, atol=1e-5, rtol=1e-4)


def test_slices_of_no_volume_and_votes_of_no_slice_are_refused() -> None:
    network = build_chmfl("2d-cnn-ct", **SMALL).eval()
    with pytest.raises(ValueError, match="from volumes"):
        network(torch.randn(1, 1, 16, 16))
    assert isinstance(network, SliceBySlice)
    with pytest.raises(ValueError, match="no slice"):
        network(torch.randn(1, 1, 2, 16, 16), torch.zeros(1, 2, dtype=torch.bool))


@pytest.mark.parametrize(
    ("levels", "size"),
    [(5, PAPER_GRID), (5, (80, 64, 64)), (5, (48, 48, 48)), (4, (72, 56, 56)), (3, (48, 36, 40)), (2, (2, 6, 4))],
)
def test_grids_whose_sides_suit_the_pooling_are_taken(levels: int, size: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        output = CHMFL(levels=levels, **SMALL).eval()(torch.empty(1, 2, *size))
    assert output.mask is not None
    assert output.mask.shape == (1, 2, *size)


def test_a_grid_that_does_not_suit_is_named_side_by_side_with_those_that_would() -> None:
    network = CHMFL(**SMALL)
    with pytest.raises(ValueError) as caught:
        network(torch.randn(1, 2, 48, 38, 9))
    assert str(caught.value) == (
        "CHMFL halves every side 4 times, so every side (D x H x W) must be a multiple of 16; got 48 x 38 x 9: "
        "H = 38 is not (32 or 48 would be), W = 9 is not (16 would be)"
    )
    with pytest.raises(ValueError, match=r"multiple of 4; got 8 x 6: W = 6 is not \(4 or 8 would be\)"):
        CHMFL(dims=2, levels=3, **SMALL)(torch.randn(1, 2, 8, 6))


def test_an_input_that_is_no_batch_of_this_network_is_refused_in_a_sentence() -> None:
    network = CHMFL(**SMALL)
    with pytest.raises(ValueError, match=r"takes images \(N, 2, D, H, W\), not \(1, 3, 16, 16, 16\)"):
        network(torch.randn(1, 3, 16, 16, 16))
    with pytest.raises(ValueError, match=r"takes images \(N, 2, D, H, W\), not \(2, 16, 16, 16\)"):
        network(torch.randn(2, 16, 16, 16))
    with pytest.raises(ValueError, match="built for 16 x 16 x 32 voxels"):
        CHMFL(flatten5=(16, 16, 32), **SMALL)(torch.randn(1, 2, 32, 16, 16))


def test_one_image_with_a_single_deepest_voxel_evaluates_and_trains_without_batch_statistics() -> None:
    x = torch.randn(1, 2, 16, 16, 16)
    network = CHMFL(**SMALL)
    with pytest.raises(ValueError, match=r"a single image whose deepest level is a single voxel \(16 x 16 x 16\)"):
        network(x)
    assert network.eval()(x).outcome.shape == (1, 2)
    assert CHMFL(norm="gn-c4", **SMALL).train()(x).outcome.shape == (1, 2)
    assert network.train()(x.repeat(2, 1, 1, 1, 1)).outcome.shape == (2, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"norm": "gn-4"},
        {"norm": "gn-c0"},
        {"fusion": "dense"},
        {"dims": 4},
        {"levels": 6},
        {"levels": 1},
        {"branches": ()},
        {"branches": ((0,), ())},
        {"branches": ((0,), (2,))},
        {"branches": ((0,), (1, 2)), "shared_branches": True},
        {"flatten5": (16, 16, 20)},
        {"flatten5": (16, 16)},
    ],
)
def test_a_description_that_means_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|takes a grid"):
        CHMFL(**{**SMALL, **options})


def test_an_unknown_variant_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"variant must be one of chmfl, .*, not '4d-cnn'"):
        build_chmfl("4d-cnn")


def test_lists_from_a_model_card_s_json_build_the_same_network() -> None:
    torch.manual_seed(3)
    network = build_chmfl("mask-hmfl", branches=[[0, 2], [1, 2]], hidden=[64, 32], base_width=4)
    torch.manual_seed(3)
    other = build_chmfl("mask-hmfl", **SMALL)
    names = list(network.state_dict())
    assert names == list(other.state_dict())
    assert all(torch.equal(network.state_dict()[name], other.state_dict()[name]) for name in names)


def test_a_few_steps_learn_a_bright_spot_and_its_outline() -> None:
    """Both tasks from one voxel pattern: an outcome of 1 where PET holds a bright cube, which is also the tumour."""
    network = CHMFL(base_width=4, hidden=(12,), dropout=0.0, levels=3)
    x = 0.1 * torch.randn(4, 2, 8, 8, 8)
    mask = torch.zeros(4, 8, 8, 8, dtype=torch.long)
    mask[::2, 2:6, 2:6, 2:6] = 1
    x[:, 0] += mask
    outcome = torch.tensor([1, 0, 1, 0])
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        total = chmfl_loss(network(x), outcome, mask).total
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    assert losses[-1] < 0.15 * losses[0]
    output = network(x)
    assert output.mask is not None
    assert torch.equal(output.outcome.argmax(1), outcome)
    overlap = (output.mask.argmax(1) * mask).sum() * 2 / (output.mask.argmax(1) + mask).sum()
    assert float(overlap) > 0.9
