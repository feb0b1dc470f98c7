"""Attention maps as wholes: rolled out without storing what they are made of, and put where they belong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from LesionLensLib.errors import UserError
from LesionLensLib.explain import rollout as rollout_module
from LesionLensLib.explain.attention_maps import attention_map, gate_map
from LesionLensLib.explain.feature_maps import feature_maps
from LesionLensLib.explain.layers.placement import Placement
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import MaskReadout, RiskReadout
from LesionLensLib.explain.rollout import relevance_of, rollout
from LesionLensLib.explain.slice_rollout import slice_maps, slice_rollout
from LesionLensLib.geometry import Grid
from LesionLensLib.inference.folded_resnet3d import fold
from LesionLensLib.networks.attention_maps import spatial_gate_map
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.rsanet import RSANet

SIZE = (24, 16, 32)
HALVED = Placement((2, 2, 2))
GRID = Grid(SIZE[::-1], (1.0, 1.0, 2.0), (0.0, 5.0, 0.0))


def resnet(attention: str = "self", seed: int = 0, **options: bool) -> ResNet3d:
    torch.manual_seed(seed)
    network = ResNet3d(3, 2, 18, 8, attention, stages=2, groups=4, cbam_reduction=4, **options).eval()
    for block in network.blocks():
        if attention == "self" and block.attention.gain is not None:
            nn.init.constant_(block.attention.gain, 0.3)
    return network


def asked_of(*networks: nn.Module) -> Question:
    torch.manual_seed(9)
    return Question(networks, torch.randn(1, 3, *SIZE), GRID, ("T1c", "FLAIR", "lesion"), RiskReadout())


def matrices(network: ResNet3d, image: Tensor) -> list[np.ndarray]:
    """Return the whole map (targets, sources) of every block, written out."""
    found, x = [], network.stem_features(image)
    for block in network.blocks():
        own = block.residual(x)
        tokens = own[0].flatten(1).T
        found.append((block.attention.key(tokens) @ block.attention.query(tokens).T).softmax(1).double().numpy())
        x = block.attention(own)
    return found


@torch.no_grad()
def test_the_rollout_is_the_product_of_half_identity_and_half_attention() -> None:
    asked = asked_of(resnet())
    first, second, third, fourth = matrices(asked.networks[0], asked.image)
    expected = np.full(len(fourth), 1 / len(fourth))
    for weights in (fourth, third):
        expected = expected @ (0.5 * np.eye(len(weights)) + 0.5 * weights)
    coarse = expected.reshape(3, 2, 4)
    fine = np.zeros((6, 4, 8))
    for place in np.ndindex(coarse.shape):  # a coarse voxel is centred on every second fine one
        shares = [np.maximum(0, 1 - abs(np.arange(n) / 2 - p)) for n, p in zip(fine.shape, place, strict=True)]
        for axis, own in enumerate(coarse.shape):  # behind its last voxel the coarse grid goes on as it ends
            if place[axis] == own - 1:
                shares[axis][2 * own - 1 :] = 1.0
        around = np.einsum("i,j,k->ijk", *shares)
        fine += coarse[place] * around / around.sum()
    expected = fine.ravel()
    for weights in (second, first):
        expected = expected @ (0.5 * np.eye(len(weights)) + 0.5 * weights)
    relevance, strengths = relevance_of(asked.networks[0], asked.image)
    np.testing.assert_allclose(relevance.ravel(), expected, rtol=1e-4)
    assert relevance.sum() == pytest.approx(1.0, abs=1e-5)
    assert len(strengths) == 4


def test_rows_that_are_taken_a_few_at_a_time_give_the_same_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of(resnet())
    whole, _ = relevance_of(asked.networks[0], asked.image)
    monkeypatch.setattr(rollout_module, "ENTRIES_AT_ONCE", 5 * 6 * 4 * 8)
    parts, _ = relevance_of(asked.networks[0], asked.image)
    np.testing.assert_allclose(parts, whole, rtol=1e-6)


def test_the_literal_attention_keeps_nothing_past_it() -> None:
    network = resnet(attention_residual=False)
    asked = asked_of(network)
    with torch.no_grad():
        weights = matrices(network, asked.image)[-1]
        last = np.full(len(weights), 1 / len(weights)) @ weights
        x = network.stem_features(asked.image)
        for block in list(network.blocks())[:3]:
            x = block(x)
        own = list(network.blocks())[3].residual(x)
        found = rollout_module._through(list(network.blocks())[3].attention, own, np.full((3, 2, 4), 1 / 24))
    np.testing.assert_allclose(found.ravel(), last, rtol=1e-4)


def test_the_strength_of_a_block_is_what_its_attention_adds() -> None:
    network = resnet()
    blocks = list(network.blocks())
    nn.init.constant_(blocks[2].attention.gain, 0.0)
    asked = asked_of(network)
    found = rollout(asked)
    assert found.strengths[2] == 0.0
    with torch.no_grad():
        own = blocks[0].residual(network.stem_features(asked.image))
        added = blocks[0].attention(own) - own
    assert found.strengths[0] == pytest.approx(float(added.norm() / own.norm()), rel=1e-5)
    assert "0.0%" in found.text


def test_the_rollout_is_averaged_over_networks_and_lies_on_the_grid() -> None:
    one, other = resnet(seed=1), resnet(seed=2)
    both = rollout(asked_of(one, other))
    single = [rollout(asked_of(network)).map.array for network in (one, other)]
    np.testing.assert_allclose(both.map.array, np.mean(single, 0), rtol=1e-5)
    assert both.map.grid == GRID
    assert both.map.array.min() >= 0


def test_folded_networks_and_others_have_nothing_to_roll_out() -> None:
    with pytest.raises(ValueError, match="not folded"):
        rollout(asked_of(fold(resnet())))
    with pytest.raises(ValueError, match="no self-attention"):
        rollout(asked_of(nn.Identity()))


def test_the_gate_of_cbam_lies_on_the_grid() -> None:
    one, other = resnet("cbam", 1), resnet("cbam", 2)
    asked = asked_of(one, other)
    gates = gate_map(asked)
    with torch.no_grad():
        coarse = np.mean([spatial_gate_map(network, asked.image)[0, 0].numpy() for network in (one, other)], 0)
    np.testing.assert_allclose(gates.array[::8, ::8, ::8], coarse, rtol=1e-5)
    assert attention_map(asked).map.array.max() < 1


def lesion_question(kind: str = "rsa", size: tuple[int, int, int] = (32, 48, 40)) -> Question:
    torch.manual_seed(3)
    network = RSANet(base_width=8, kind=kind).eval()
    if kind == "rsa":
        for number, block in enumerate((network.encoder_attention, network.centre_attention)):
            nn.init.constant_(block.alpha, 0.2 + 0.1 * number)
            for layer in (block.theta, block.phi):
                nn.init.normal_(layer.weight, 0.0, 0.01)
    lesion = torch.zeros(size)
    lesion[8, 16, 24] = 1
    grid = Grid(size[::-1], (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    return Question((network,), torch.randn(1, 3, *size), grid, ("T1", "T2", "FLAIR"), MaskReadout(lesion))


def test_slice_maps_are_those_that_the_network_uses() -> None:
    asked = lesion_question()
    network = asked.networks[0]
    seen: list[tuple[Tensor, Tensor]] = []
    for block in (network.encoder_attention, network.centre_attention):
        block.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad():
        network(asked.image)
        maps = slice_maps(network, asked.image)
    assert [(one.block, one.orientation) for one in maps[:4]] == [
        ("encoder 4", "sagittal"), ("encoder 4", "coronal"), ("encoder 4", "axial"), ("centre", "sagittal")
    ]  # fmt: skip
    assert len(maps) == 9
    assert [one.stride for one in maps] == [8] * 3 + [16] * 3 + [8] * 3
    for own, (x, output) in zip((maps[:3], maps[3:6]), seen[:2], strict=True):
        block = network.encoder_attention if own[0].block == "encoder 4" else network.centre_attention
        for one, axis in zip(own, (4, 3, 2), strict=True):
            value = block.g(x).movedim(axis, 1)
            mixed = (torch.from_numpy(one.weights) @ value.flatten(2)[0]).view(value.shape[1:])[None].movedim(1, axis)
            x = x + one.alpha * mixed
            np.testing.assert_allclose(one.weights.sum(1), 1, rtol=1e-5)
        torch.testing.assert_close(x, output, atol=1e-4, rtol=1e-4)


def test_slice_attention_of_a_lesion_is_rolled_out_over_both_ways_through_the_centre() -> None:
    asked = lesion_question()
    found = slice_rollout(asked)
    by_name = {(one.block, one.orientation): one.weights.astype(np.float64) for one in found.slices}

    def back(block: str, relevance: np.ndarray) -> np.ndarray:
        for orientation, path in (("axial", "sS,shw->Shw"), ("coronal", "sS,dsw->dSw"), ("sagittal", "sS,dhs->dhS")):
            weights = by_name[block, orientation]
            relevance = np.einsum(path, 0.5 * np.eye(len(weights)) + 0.5 * weights, relevance)
        return relevance

    start = np.zeros((4, 6, 5))
    start[1, 2, 3] = 1.0  # the lesion is image voxel (8, 16, 24): eight times that
    decoder = back("decoder 4", start)
    centre = back("centre", HALVED.gather(decoder / 2, (2, 3, 3)))
    expected = back("encoder 4", decoder / 2 + HALVED.spread(centre, (4, 6, 5)))
    assert expected.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found.map.array[::8, ::8, ::8], expected, atol=1e-6)


def test_networks_without_attention_are_told_what_else_there_is() -> None:
    chmfl = CHMFL(((0,), (1, 2)), levels=3, base_width=4, hidden=[8])
    for asked in (asked_of(chmfl), asked_of(resnet("none")), lesion_question("none"), lesion_question("nonlocal")):
        with pytest.raises(UserError, match="no attention to show") as caught:
            attention_map(asked)
        assert "Grad-CAM" in caught.value.remedy


def test_one_call_shows_whatever_attention_there_is() -> None:
    asked = asked_of(resnet())
    assert np.array_equal(attention_map(asked).map.array, rollout(asked).map.array)
    lesion = lesion_question()
    assert np.array_equal(attention_map(lesion).map.array, slice_rollout(lesion).map.array)


def test_the_features_of_every_level_and_branch_are_their_mean_over_channels() -> None:
    torch.manual_seed(0)
    networks = tuple(CHMFL(((0,), (1, 2)), levels=3, base_width=4, hidden=[8]).eval() for _ in range(2))
    asked = asked_of(*networks)
    maps = feature_maps(asked)
    assert list(maps) == [f"level {level} of {branch}" for level in (1, 2, 3) for branch in ("T1c", "FLAIR + lesion")]
    with torch.no_grad():
        levels = [network.encode(asked.image) for network in networks]
    first = np.mean([level[0][1][0].mean(0).numpy() for level in levels], 0)
    np.testing.assert_allclose(maps["level 1 of FLAIR + lesion"].array, first, atol=1e-6)
    second = np.mean([level[1][0][0].mean(0).numpy() for level in levels], 0)
    enlarged = nn.functional.interpolate(torch.from_numpy(second)[None, None], size=SIZE, mode="trilinear")[0, 0]
    np.testing.assert_allclose(maps["level 2 of T1c"].array, enlarged, atol=1e-6)
    assert all(volume.grid == GRID for volume in maps.values())


def test_features_of_a_chain_come_by_layer() -> None:
    names = ["stem", "stage 1 block 1", "stage 1", "stage 2 block 1", "stage 2"]
    assert list(feature_maps(asked_of(resnet("none")))) == names
    with pytest.raises(UserError, match="Nothing is known"):
        feature_maps(asked_of(nn.Identity()))
