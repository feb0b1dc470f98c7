"""The sanity check with random weights and the stability of maps, and what they say in plain words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from blob_network import blob_case, blob_network
from torch import nn

from LesionLensLib.explain.gradcam import gradcam
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import RiskReadout
from LesionLensLib.explain.validity.assess import assess
from LesionLensLib.explain.validity.curves import CurveSettings
from LesionLensLib.explain.validity.random_weights import (
    RandomWeights,
    parts_from_the_head,
    random_weights_check,
    shuffle,
)
from LesionLensLib.explain.validity.similarity import rank_correlation, top_dice
from LesionLensLib.explain.validity.stability import Likeness, Stability, maps_of_single_networks, stability
from LesionLensLib.geometry import Grid
from LesionLensLib.inference.folded_resnet3d import fold
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.networks.vgg3d import Vgg3d

SIZE = (16, 16, 16)
GRID = Grid(SIZE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def resnet() -> ResNet3d:
    torch.manual_seed(0)
    return ResNet3d(2, 2, 10, 8, "self", stages=2, groups=4).eval()


NETWORKS: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "resnet": (resnet, ["classifier", "stages 2", "stages 1", "stem"]),
    "resnet, folded": (lambda: fold(resnet()), ["classifier", "stages 2", "stages 1", "stem"]),
    "chmfl": (lambda: CHMFL(levels=3, base_width=4, hidden=[8]), ["head", "level 3", "level 2", "level 1"]),
    "rsanet": (
        lambda: RSANet(2, base_width=8),
        ["classifier", "decoder 1", "decoder 2", "decoder 3", "decoder 4", "centre",
         "encoder 4", "encoder 3", "encoder 2", "encoder 1", "stem"],
    ),
    "vgg": (
        lambda: Vgg3d(2, 3, widths=(4, 8), hidden=8, field=SIZE), ["output", "hidden", "stages 2", "stages 1"]
    ),
}  # fmt: skip


def asked_of(*networks: nn.Module) -> Question:
    torch.manual_seed(5)
    return Question(networks, torch.randn(1, 2, *SIZE), GRID, ("PET", "CT"), RiskReadout())


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items() if value.is_floating_point()}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_parts_of_a_network_hold_all_its_weights_once_from_the_output_to_the_input(name: str) -> None:
    make, expected = NETWORKS[name]
    network = make()
    parts = parts_from_the_head(network)
    assert [part for part, _ in parts] == expected
    held = [id(own) for _, modules in parts for module in modules for own in module.state_dict(keep_vars=True).values()]
    assert sorted(held) == sorted(id(own) for own in network.state_dict(keep_vars=True).values())


def test_weights_become_random_from_the_head_down_and_the_network_itself_stays() -> None:
    network = resnet()
    before = tensors(network)
    changed: list[set[str]] = []

    def make_map(asked: Question) -> np.ndarray:
        now = tensors(asked.networks[0])
        changed.append({key.split(".")[0] for key, value in now.items() if not torch.equal(value, before[key])})
        return np.ones(SIZE)

    found = random_weights_check(asked_of(network), np.ones(SIZE), make_map)
    assert [part for part, _ in found.cascade] == ["classifier", "stages 2", "stages 1", "stem"]
    assert changed[:4] == [
        {"classifier"}, {"classifier", "stages"}, {"classifier", "stages"}, {"classifier", "stages", "stem"}
    ]  # fmt: skip
    assert len(changed) == 5  # and one more draw of all weights
    assert changed[4] == changed[3]
    assert all(torch.equal(value, before[key]) for key, value in tensors(network).items())


def test_a_long_cascade_is_made_in_few_steps() -> None:
    found = random_weights_check(asked_of(RSANet(2, base_width=8)), np.ones(SIZE), lambda asked: np.ones(SIZE), 3)
    assert [part for part, _ in found.cascade] == ["decoder 3", "encoder 3", "stem"]
    assert found.flat
    assert "the same everywhere" in found.text


def test_shuffled_weights_keep_their_values_and_the_channels_of_a_norm_stay_together() -> None:
    block = nn.Sequential(nn.Conv3d(3, 8, 3), nn.BatchNorm3d(8))
    for own in block[1].state_dict().values():
        if own.is_floating_point():
            own.copy_(torch.arange(8.0))
    before = tensors(block)
    shuffle(block, torch.Generator().manual_seed(0))
    after = tensors(block)
    for name, value in after.items():
        assert not torch.equal(value, before[name])
        assert torch.equal(value.flatten().sort().values, before[name].flatten().sort().values)
    norm = [after[f"1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")]
    assert all(torch.equal(own, norm[0]) for own in norm)


def test_a_map_of_the_image_alone_does_not_depend_on_what_was_learned() -> None:
    asked = asked_of(resnet())
    edges = np.abs(np.gradient(asked.image[0, 0].numpy())[0])
    found = random_weights_check(asked, edges, lambda other: edges)
    assert found.correlation == pytest.approx(1.0)
    assert "do not use" in found.text


def test_a_map_of_a_network_that_learned_something_does_not_survive_random_weights() -> None:
    network, _, _ = blob_network()
    asked = blob_case(np.random.default_rng(5)).question(network, 0)
    values = gradcam(asked, "layer 1").array
    found = random_weights_check(asked, values, lambda other: gradcam(other, "layer 1").array)
    assert abs(found.correlation) < 0.6
    assert "do not use" not in found.text


@pytest.mark.parametrize(("correlation", "words"), [(0.1, "does not survive"), (-0.45, "in part"), (0.7, "do not use")])
def test_the_correlation_with_random_weights_in_words(correlation: float, words: str) -> None:
    assert words in RandomWeights((), correlation).text


def test_maps_are_alike_by_rank_and_not_by_sign() -> None:
    values = np.random.default_rng(0).normal(size=SIZE)
    assert rank_correlation(values, -(values**3)) == pytest.approx(1.0)
    assert rank_correlation(values, np.ones(SIZE)) == 0.0


def test_air_that_both_maps_leave_at_zero_does_not_make_them_alike() -> None:
    rng = np.random.default_rng(0)
    first, second = np.zeros((30, 30, 30)), np.zeros((30, 30, 30))
    first[5:15, 5:15, 5:15], second[5:15, 5:15, 5:15] = rng.random((10, 10, 10)), rng.random((10, 10, 10))
    assert abs(rank_correlation(first, second)) < 0.1
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.5  # what it would have been with the air
    with pytest.raises(ValueError, match="cannot be compared"):
        rank_correlation(first, second[:-1])
    assert rank_correlation(np.zeros(SIZE), np.zeros(SIZE)) == 0.0


def test_the_strongest_tenths_of_maps_overlap_by_dice() -> None:
    first, second = np.zeros(1000), np.zeros(1000)
    first[:100], second[50:150] = 1 + np.arange(100), -1 - np.arange(100)
    shape = (10, 10, 10)
    assert top_dice(first.reshape(shape), second.reshape(shape)) == pytest.approx(0.5)
    assert top_dice(first.reshape(shape), np.zeros(shape)) == 0.0


def test_stability_is_the_mean_likeness_to_the_variants() -> None:
    values = np.random.default_rng(0).random(SIZE)
    found = stability(values, {"cubes of 6 mm": values * 2, "cubes of 12 mm": 1 - values})
    assert found.variants["cubes of 6 mm"].correlation == pytest.approx(1.0)
    assert found.variants["cubes of 6 mm"].dice == 1.0
    assert found.variants["cubes of 12 mm"].correlation == pytest.approx(-1.0)
    assert found.value == pytest.approx(0.0, abs=1e-9)
    assert "do not rely" in found.text
    assert "cubes of 12 mm" in found.text
    with pytest.raises(ValueError, match="at least one"):
        stability(values, {})


@pytest.mark.parametrize(("value", "words"), [(0.9, "stays the same"), (0.6, "main parts"), (0.2, "do not rely")])
def test_stability_in_words(value: float, words: str) -> None:
    assert words in Stability({"a seed": Likeness(value, value)}).text


def test_networks_of_an_ensemble_are_variants_of_one_another() -> None:
    networks = [resnet() for _ in range(4)]
    asked = asked_of(*networks)
    maps = maps_of_single_networks(asked, lambda single: np.full(SIZE, float(networks.index(single.networks[0]))))
    assert list(maps) == ["network 1", "network 2", "network 3"]
    assert [float(own.mean()) for own in maps.values()] == [0.0, 1.0, 2.0]
    assert maps_of_single_networks(asked_of(networks[0]), lambda single: np.ones(SIZE)) == {}


def test_all_checks_stand_in_the_report_under_the_names_of_the_contract() -> None:
    network, _, _ = blob_network()
    asked = blob_case(np.random.default_rng(5)).question(network, 0)
    told: list[float] = []

    def make_map(question: Question) -> np.ndarray:
        return gradcam(question, "layer 1").array

    coarse = gradcam(asked, "layer 2").array
    few = CurveSettings(steps=4)
    validity = assess(
        asked, make_map(asked), make_map, True, {"layer 2": coarse}, few, lambda share, text: told.append(share)
    )
    record = validity.to_dict()
    assert record["deletion_auc"] < record["random_auc"] < record["insertion_auc"]
    kept = [record[f"{name}_auc_normalised"] for name in ("deletion", "random", "insertion")]
    assert 0 < kept[0] < kept[1] < kept[2] < 1
    assert record["auc_of"] == "answer"
    assert record["random_weights_correlation"] == pytest.approx(validity.random_weights.correlation, abs=1e-6)
    assert list(record["random_weights"]) == [part for part, _ in validity.random_weights.cascade]
    assert record["stability"] == pytest.approx(rank_correlation(make_map(asked), coarse), abs=1e-6)
    assert record["text"] == " ".join(validity.sentences)
    assert len(validity.sentences) == 3
    assert told == sorted(told)
    assert told[-1] == 1.0
    alone = assess(asked, make_map(asked), make_map, True, settings=few)
    assert alone.to_dict()["stability"] is None
    assert "nothing is known of its stability" in alone.to_dict()["text"]
