"""SMOCAM finds where a number comes from, says how well it did, and leaves the network alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from blob_network import BlobCase, blob_case, blob_network
from scipy.ndimage import binary_dilation

from LesionLensLib.errors import Cancelled, UserError
from LesionLensLib.explain.adam import Adam
from LesionLensLib.explain.layers.choice import asked_layers
from LesionLensLib.explain.masked_score import MaskedScore, for_search
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import MaskReadout, RiskReadout
from LesionLensLib.explain.smocam import SmocamSettings, smocam
from LesionLensLib.explain.smocam_loss import SmocamLoss, default_smoothness_weight, smoothness
from LesionLensLib.geometry import Grid
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.rsanet import RSANet

SARCOMA_GRID = Grid((16, 16, 24), (3.0, 3.0, 3.0), (0.0, 0.0, 0.0))
FEW = SmocamSettings(iterations=12)


def sarcoma_question(count: int) -> Question:
    torch.manual_seed(2)
    networks = tuple(CHMFL(levels=3, base_width=4, hidden=[8], dropout=0.0).eval() for _ in range(count))
    return Question(networks, torch.randn(1, 2, *SARCOMA_GRID.shape), SARCOMA_GRID, ("PET", "CT"), RiskReadout())


def energy_share(values: np.ndarray, mask: np.ndarray) -> float:
    energy = values.astype(np.float64) ** 2
    return float(energy[binary_dilation(mask, iterations=2)].sum() / energy.sum())


def blobs(seed: int) -> BlobCase:
    return blob_case(np.random.default_rng(seed))


def test_a_mask_of_ones_changes_no_answer_and_costs_its_norm() -> None:
    asked = sarcoma_question(2)
    size = asked_layers(asked)[0].size
    ones = torch.ones(size)
    terms = SmocamLoss(0.7, 1.0, 1.0, 0.01).terms(ones, MaskedScore(asked, None).moved(ones))
    assert terms.to_dict()["data"] == pytest.approx(0.0, abs=1e-6)
    assert terms.to_dict()["budget"] == pytest.approx(math.sqrt(math.prod(size)) - 1)
    assert terms.to_dict()["smoothness"] == 0.0


def test_the_smoothness_of_a_cube_is_half_its_surface_times_its_height() -> None:
    """Every face voxel of a cube of k^3 ones differs by the height h from its neighbour outside: 6 k^2 h / 2."""
    mask = torch.zeros(9, 8, 7)
    mask[2:5, 3:6, 1:4] = 1.7
    assert float(smoothness(mask)) == pytest.approx(3 * 3**2 * 1.7)
    corner = torch.zeros(9, 8, 7)
    corner[:3, :3, :3] = 1.7  # without wrap-around only the three inner faces count
    assert float(smoothness(corner)) == pytest.approx(1.5 * 3**2 * 1.7)


def test_a_constant_mask_is_smooth_and_the_weight_falls_as_the_grid_grows() -> None:
    assert float(smoothness(torch.full((4, 5, 6), 3.3))) == 0.0
    assert default_smoothness_weight(27) == 0.01
    assert default_smoothness_weight(216) == 0.01
    assert default_smoothness_weight(1728) == pytest.approx(0.00125)
    assert default_smoothness_weight(10**6) == 1e-4


def test_a_mask_of_zeros_gives_the_answer_of_features_that_are_zero() -> None:
    asked = sarcoma_question(1)
    layer = asked_layers(asked, "level 2")[0]
    with torch.no_grad():
        cut = layer.cut(asked.image)
        logits = cut.tail([torch.zeros_like(features) for features in cut.features]).outcome
        score = MaskedScore(asked, "level 2")
        moved = score.moved(torch.zeros(layer.size))
    assert float(score.score + moved) == pytest.approx(float(logits[0, 1] - logits[0, 0]), abs=1e-6)
    assert abs(float(moved)) > 1e-3


def test_networks_of_an_ensemble_share_the_mask_and_their_mean_score_is_kept() -> None:
    asked = sarcoma_question(3)
    singles = [replace(asked, networks=(network,)) for network in asked.networks]
    mask = torch.rand(asked_layers(asked)[0].size)
    with torch.no_grad():
        moves = [float(MaskedScore(single, None).moved(mask)) for single in singles]
        assert float(MaskedScore(asked, None).moved(mask)) == pytest.approx(float(np.mean(moves)), abs=1e-6)
        told = float(asked.scores(asked.image).mean())
    assert float(MaskedScore(asked, None).score) == pytest.approx(told, abs=1e-6)


def test_everything_about_the_networks_stays_as_it_was() -> None:
    asked = sarcoma_question(1)
    network = asked.networks[0]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    smocam(asked, 1.0, FEW)
    smocam(asked, 1.0, replace(FEW, search_type=torch.bfloat16))
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert not any(module.training for module in network.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert asked.image.grad is None


def test_the_same_question_gives_the_same_mask() -> None:
    asked = sarcoma_question(2)
    first, second = smocam(asked, 1.0, FEW), smocam(asked, 1.0, FEW)
    assert np.array_equal(first.mask, second.mask)
    assert np.array_equal(first.map.array, second.map.array)


def test_the_map_lies_on_the_grid_of_the_image_and_is_never_negative() -> None:
    asked = sarcoma_question(1)
    found = smocam(asked, 1.0, replace(FEW, layer="level 2"))
    assert found.mask.shape == (12, 8, 8)
    assert found.map.grid == asked.grid
    assert found.map.array.dtype == np.float32
    assert np.isfinite(found.map.array).all()
    assert found.map.array.min() >= 0
    assert found.map.array.max() > 0


def test_the_best_mask_on_the_way_is_returned_so_more_iterations_never_make_it_worse() -> None:
    """With this learning rate the masks themselves jump up and down; the first of them is the start."""
    asked = sarcoma_question(1)
    settings = [SmocamSettings(iterations=count, learning_rate=0.3) for count in range(7)]
    losses = [sum(smocam(asked, 1.0, each).diagnostics.loss_terms.values()) for each in settings]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    size = asked_layers(asked)[0].size
    start = torch.full(size, 1 / math.sqrt(math.prod(size)))
    loss = SmocamLoss(1.0, 1.0, 1.0, default_smoothness_weight(math.prod(size)))
    with torch.no_grad():
        before = float(loss.terms(start, MaskedScore(asked, None).moved(start)).total)
    assert losses[0] == pytest.approx(before)


@pytest.mark.parametrize("output", [0, 1])
def test_the_mask_lies_where_the_number_is_measured(output: int) -> None:
    network, sigma, r2 = blob_network()
    assert r2 > 0.9
    case = blobs(5)
    found = smocam(case.question(network, output), sigma)
    target, other = (energy_share(found.map.array, case.masks[n]) for n in (output, 1 - output))
    uniform = float(binary_dilation(case.masks[output], iterations=2).mean())
    assert target > 5 * uniform
    assert target > 5 * other
    assert found.diagnostics.layer == "layer 2"
    assert not found.diagnostics.flat
    assert found.diagnostics.norm == pytest.approx(1.0, abs=0.05)
    assert found.diagnostics.error_over_sigma > 0.1
    assert "not preserved" in found.diagnostics.text
    assert "extension" not in found.diagnostics.text


def test_preserving_takes_the_smallest_norm_that_keeps_the_answer() -> None:
    network, sigma, _ = blob_network()
    asked = blobs(5).question(network, 0)
    found = smocam(asked, sigma, SmocamSettings(mode="preserving", iterations=60)).diagnostics
    assert found.error_over_sigma < 0.1
    assert abs(found.masked_score - found.score) / sigma == pytest.approx(found.error_over_sigma, rel=1e-4)
    assert found.budget in (2.0, 4.0, 8.0)
    halved = SmocamSettings(iterations=60, budget=found.budget / 2)
    assert smocam(asked, sigma, halved).diagnostics.error_over_sigma >= 0.1
    assert found.iterations == 60 * (1 + int(math.log2(found.budget)))
    assert "is preserved" in found.text


def test_where_nothing_less_preserves_the_answer_the_mask_is_all_ones() -> None:
    """Without iterations every mask is the constant start, and only that of ones keeps the answer."""
    asked = sarcoma_question(1)
    found = smocam(asked, 1e-6, SmocamSettings(mode="preserving", iterations=0))
    np.testing.assert_allclose(found.mask, 1.0, atol=1e-6)
    assert found.diagnostics.budget == pytest.approx(math.sqrt(found.mask.size))
    assert found.diagnostics.flat
    assert "tells no place" in found.diagnostics.text


def test_a_search_in_bfloat16_finds_the_same_place_and_is_judged_in_float32() -> None:
    network, sigma, _ = blob_network()
    case = blobs(5)
    asked = case.question(network, 0)
    assert next(for_search(asked, torch.bfloat16).networks[0].parameters()).dtype == torch.bfloat16
    found = smocam(asked, sigma, SmocamSettings(iterations=60, search_type=torch.bfloat16))
    with torch.no_grad():
        moved = float(MaskedScore(asked, None).moved(torch.from_numpy(found.mask)))
    assert found.diagnostics.error_over_sigma == pytest.approx(abs(moved) / sigma, rel=1e-5)
    assert energy_share(found.map.array, case.masks[0]) > 5 * energy_share(found.map.array, case.masks[1])


@pytest.mark.parametrize("kind", ["chmfl", "resnet", "rsanet", "stack"])
def test_the_search_runs_other_networks_with_the_same_answers(kind: str) -> None:
    torch.manual_seed(0)
    image, asked = torch.randn(1, 2, *SARCOMA_GRID.shape), sarcoma_question(2)
    lesion = MaskReadout(torch.ones(SARCOMA_GRID.shape))
    if kind == "resnet":
        network = ResNet3d(2, 2, depth=10, base_width=8, stages=2, groups=4).eval()
        asked = replace(asked, networks=(network,), image=image)
    if kind == "rsanet":
        asked = replace(asked, networks=(RSANet(2, base_width=8).eval(),), image=image, readout=lesion)
    if kind == "stack":
        asked = blobs(3).question(blob_network()[0], 0)
    quick, exact = MaskedScore(for_search(asked), None), MaskedScore(asked, None)
    mask = torch.rand(asked_layers(asked)[0].size)
    with torch.no_grad():
        torch.testing.assert_close(quick.moved(mask), exact.moved(mask), atol=2e-6, rtol=1e-4)
        assert abs(float(exact.moved(mask))) > 1e-4


def test_the_report_of_a_risk_says_that_this_is_an_extension() -> None:
    found = smocam(sarcoma_question(2), 0.8, FEW).diagnostics
    record = found.to_dict()
    assert record["extension"] is True
    assert "extension" in record["text"]
    assert record["iterations"] == 12
    assert record["sigma"] == 0.8
    assert record["layer"] == "level 3"
    assert set(record["loss_terms"]) == {"data", "budget", "smoothness"}
    assert record["error_over_sigma"] == record["loss_terms"]["data"]
    assert record["seconds"] > 0


def test_a_segmentation_is_explained_by_the_probability_inside_its_mask() -> None:
    asked = sarcoma_question(1)
    lesion = torch.zeros(SARCOMA_GRID.shape)
    lesion[8:12, 4:9, 5:8] = 1
    found = smocam(replace(asked, readout=MaskReadout(lesion)), 0.2, FEW).diagnostics
    assert 0 < found.score < 1
    assert found.extension


def test_a_network_with_self_attention_can_be_asked_too() -> None:
    torch.manual_seed(0)
    network = ResNet3d(3, 2, depth=10, base_width=8, stages=3, groups=4).eval()
    grid = Grid((24, 24, 24), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    asked = Question((network,), torch.randn(1, 3, 24, 24, 24), grid, ("T1c", "FLAIR", "lesion"), RiskReadout())
    assert smocam(asked, 1.0, FEW).diagnostics.layer == "stage 2"


def test_a_cancelled_search_stops() -> None:
    seen: list[float] = []

    def tell(fraction: float, text: str) -> None:
        seen.append(fraction)
        if fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        smocam(sarcoma_question(1), 1.0, SmocamSettings(iterations=40), tell)
    assert seen == [0.0, 0.25, 0.5, 0.75]


def test_the_search_tells_how_long_it_will_still_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds an iteration by a clock that is not the computer's: ten done, thirty to go."""
    seconds = itertools.count(100.0, 20.0)
    monkeypatch.setattr("LesionLensLib.explain.smocam.time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    seen: list[str] = []
    smocam(sarcoma_question(1), 1.0, SmocamSettings(iterations=40), lambda fraction, text: seen.append(text))
    assert seen == [
        "SMOCAM, norm 1: iteration 0 of 40",
        "SMOCAM, norm 1: iteration 10 of 40, about 60 s left",
        "SMOCAM, norm 1: iteration 20 of 40, about 40 s left",
        "SMOCAM, norm 1: iteration 30 of 40, about 20 s left",
    ]


def test_small_tails_are_computed_by_one_thread_and_the_others_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    asked_for: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked_for.append)
    smocam(sarcoma_question(1), 1.0, FEW)
    monkeypatch.setattr("LesionLensLib.explain.smocam.SMALL_WORK", 0)
    smocam(sarcoma_question(1), 1.0, FEW)
    assert asked_for == [1, 3, 3, 3]


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_a_sigma_that_is_no_spread_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        smocam(sarcoma_question(1), sigma, FEW)


def test_adam_is_that_of_torch() -> None:
    """Numbers of `torch.optim.Adam([p], lr=0.1)` for three gradients; importing it takes longer than all tests here."""
    parameter = torch.tensor([1.0, -2.0, 0.5])
    adam = Adam(parameter, 0.1)
    for gradient in ([0.3, -1.0, 0.0], [-0.6, 0.5, 2.0], [0.1, 0.1, -4.0]):
        adam.step(torch.tensor(gradient))
    expected = torch.tensor([0.9551763, -1.8585564, 0.4570149])
    torch.testing.assert_close(parameter, expected, atol=1e-6, rtol=0)


def test_the_settings_name_a_layer_that_exists() -> None:
    with pytest.raises(UserError, match='no layer "level 7"'):
        smocam(sarcoma_question(1), 1.0, SmocamSettings(layer="level 7"))
