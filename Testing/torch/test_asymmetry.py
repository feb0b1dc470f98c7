"""The asymmetry check: where a patient's difference lies, and a network that looks at one side for both answers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from LesionLensLib.explain.asymmetry import (
    NO_MAP,
    ONE_SIDE,
    OWN_SIDES,
    UNDECIDED,
    WRONG_SIDES,
    check_asymmetry,
    difference_table,
    judge_sides,
    percentile,
    side_shares,
)
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.inference.hemispheres import SideLoads
from LesionLensLib.networks.vgg3d import Vgg3d
from LesionLensLib.regression_card import RegressionCard, RegressionOutput, SideDifferences

SIDE = 16
GRID = Grid((SIDE,) * 3, (4.0, 4.0, 4.0), (-30.0, -30.0, -30.0))
CUBE = 4
VOXEL_ML = GRID.voxel_ml


def blobs(count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return noisy images (N, 2, D, H, W) with bright cubes of 2 voxels, and left and right loads (N, 2) in ml."""
    images = rng.normal(0, 0.3, (count, 2, SIDE, SIDE, SIDE))
    loads = np.zeros((count, 2))
    for number in range(count):
        for side in (0, 1):  # i runs to the left, so that the left is the far half
            for _ in range(rng.integers(0, 5)):
                k, j = rng.integers(1, SIDE - 3, 2)
                i = rng.integers(1, SIDE // 2 - 2) + (SIDE // 2 if side == 0 else 0)
                images[number, 1, k : k + 2, j : j + 2, i : i + 2] += 3
                loads[number, side] += 8 * VOXEL_ML
    return torch.tensor(images, dtype=torch.float32), torch.tensor(loads, dtype=torch.float32)


@cache
def trained(biased: bool) -> Vgg3d:
    """Train a tiny network of loads; the biased one is taught the left load as the answer for both sides."""
    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    network = Vgg3d(widths=(4, 8), hidden=16, field=(SIDE,) * 3, unit=1.0)
    images, loads = blobs(240, rng)
    taught = loads[:, [0, 0]] if biased else loads
    optimizer, steps, rate = torch.optim.Adam(network.parameters()), 60, 3e-3
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        chosen = torch.from_numpy(rng.integers(0, len(images), 12))
        loss = (network(images[chosen])[:, 1:] - taught[chosen]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


def occlusion(network: Vgg3d, image: Tensor, output: int) -> Volume:
    """Return |change of the output| for every cube of voxels set to 0 (D, H, W), by the plain loop."""
    steps = range(0, SIDE, CUBE)
    places = [tuple(slice(n, n + CUBE) for n in (k, j, i)) for k in steps for j in steps for i in steps]
    covered = image.expand(len(places), -1, -1, -1, -1).clone()
    for number, place in enumerate(places):
        covered[(number, slice(None), *place)] = 0
    change = (network(covered)[:, output] - network(image)[0, output]).abs()
    impact = np.zeros(GRID.shape, np.float32)
    for place, value in zip(places, change.tolist(), strict=True):
        impact[place] = value
    return Volume(impact, GRID)


def gradient(network: Vgg3d, image: Tensor, output: int) -> Volume:
    """Return the absolute gradient of an output times the image, summed over the channels."""
    asked = image.clone().requires_grad_(True)
    network(asked)[0, output].backward()
    return Volume((asked.grad * image).abs().sum((0, 1)).numpy(), GRID)


def patient() -> tuple[Tensor, SideLoads]:
    """Return one image with lesions on both sides, four times as many on the right, and its loads."""
    rng = np.random.default_rng(7)
    image = torch.tensor(rng.normal(0, 0.3, (1, 2, SIDE, SIDE, SIDE)), dtype=torch.float32)
    for k, j, i in ((5, 5, 11), (3, 4, 3), (9, 10, 2), (11, 4, 5), (5, 12, 3)):
        image[0, 1, k : k + 2, j : j + 2, i : i + 2] += 3
    return image, SideLoads(8 * VOXEL_ML, 32 * VOXEL_ML)


def said(network: Vgg3d, image: Tensor) -> SideLoads:
    return SideLoads(*network(image)[0, 1:].tolist())


def card(error: float | None, biased: bool) -> RegressionCard:
    _, loads = blobs(200, np.random.default_rng(5))
    truth = np.quantile(loads[:, 0] - loads[:, 1], np.linspace(0, 1, 41))
    outputs = tuple(RegressionOutput(name, "ml", 1.0, "", error) for name in ("total", "left", "right"))
    predicted = truth * 0 if biased else truth
    return RegressionCard(outputs, SideDifferences("left", "right", 200, tuple(truth), tuple(predicted)))


@pytest.mark.parametrize("method", [occlusion, gradient])
def test_the_maps_tell_a_network_that_looks_at_one_side_for_both_answers_from_an_honest_one(method) -> None:  # type: ignore[no-untyped-def]
    image, _ = patient()
    for biased, kind in ((False, OWN_SIDES), (True, ONE_SIDE)):
        network = trained(biased)
        verdict = judge_sides(method(network, image, 1), method(network, image, 2), 0.0)
        assert verdict.kind == kind
        assert verdict.for_left.left > 0.6
        assert (verdict.for_right.left > 0.6) == biased
        assert ("looks at the left for both answers" in verdict.text) == biased


def test_the_difference_of_the_sides_is_followed_by_the_honest_network_alone() -> None:
    image, loads = patient()
    honest = check_asymmetry(card(0.4, False), loads, said(trained(False), image))
    biased = check_asymmetry(card(0.4, True), loads, said(trained(True), image))
    assert honest.measured == biased.measured == pytest.approx(-24 * VOXEL_ML)
    assert honest.follows
    assert not biased.follows
    assert abs(biased.predicted) < 0.25 * abs(biased.measured)
    assert honest.measured_percentile < 10
    assert "does not follow" in biased.text
    assert "does not follow" not in honest.text
    assert f"{honest.measured:+.1f} ml as measured" in honest.text


def test_without_stated_errors_the_tolerance_comes_from_the_spread_of_the_training_set() -> None:
    differences = SideDifferences("left", "right", 9, tuple(range(-10, 11)), tuple(range(-10, 11)))
    known = card(0.5, False)
    silent = RegressionCard(card(None, False).outputs, differences)
    assert check_asymmetry(silent, SideLoads(9, 4), SideLoads(5, 4)).tolerance == pytest.approx(4.0)
    assert check_asymmetry(known, SideLoads(9, 4), SideLoads(5, 4)).tolerance == pytest.approx(2 * 0.5 * 2**0.5)
    with pytest.raises(ValueError, match="does not tell sides apart"):
        check_asymmetry(RegressionCard(known.outputs), SideLoads(1, 1), SideLoads(1, 1))


def test_what_was_not_measured_is_not_made_up() -> None:
    alone = check_asymmetry(card(0.4, False), None, SideLoads(9, 4))
    assert (alone.measured, alone.measured_percentile, alone.follows) == (None, None, None)
    both = check_asymmetry(card(0.4, False), SideLoads(1, 9), SideLoads(9, 4))
    assert alone.predicted_percentile == both.predicted_percentile > 50
    assert "+5.0 ml as predicted" in alone.text
    assert "as measured" not in alone.text
    assert alone.to_dict()["follows"] is None


def test_a_percentile_is_interpolated_and_lies_in_the_middle_of_equal_quantiles() -> None:
    quantiles = (-10.0, 0.0, 0.0, 0.0, 10.0)
    assert [percentile(v, quantiles) for v in (-20, -10, -5, 0, 5, 10, 11)] == [0, 0, 12.5, 50, 87.5, 100, 100]
    assert percentile(3.0, (0.0,) * 41) == 100
    assert percentile(0.0, (0.0,) * 41) == 50
    table = difference_table(SideDifferences("left", "right", 3, quantiles, quantiles))
    assert table[1] == (25.0, 0.0, 0.0)
    assert table[-1] == (100.0, 10.0, 10.0)


def half_map(grid: Grid, midline_r_mm: float, left: float, right: float) -> Volume:
    """Return a map of value `left` where R is below the plane and `right` elsewhere."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    r = grid.ras_from_ijk(np.stack([i, j, k], axis=-1))[..., 0]
    return Volume(np.where(r < midline_r_mm, left, right).astype(np.float32), grid)


def test_the_energy_of_a_map_is_split_at_the_patients_plane_on_an_oblique_left_handed_grid(oblique_grid: Grid) -> None:
    middle = float(oblique_grid.ras_from_ijk((np.array(oblique_grid.size) - 1) / 2)[0])
    assert oblique_grid.is_left_handed
    only_left = side_shares(half_map(oblique_grid, middle, -2.0, 0.0), middle)
    assert only_left.left > 0.95
    assert only_left.left + only_left.right == pytest.approx(1)
    uneven = side_shares(half_map(oblique_grid, middle, 2.0, 1.0), middle)
    assert uneven.left == pytest.approx(0.8, abs=0.03), "energy is the square"


def test_every_verdict_has_its_sentence(oblique_grid: Grid) -> None:
    middle = float(oblique_grid.ras_from_ijk((np.array(oblique_grid.size) - 1) / 2)[0])
    left, right, both = (half_map(oblique_grid, middle, *values) for values in ((1, 0), (0, 1), (1, 1)))
    sentences = {
        (OWN_SIDES, "at the left for the left"): (left, right),
        (ONE_SIDE, "at the left for both answers"): (left, left),
        (ONE_SIDE, "at the right for both answers"): (right, right),
        (WRONG_SIDES, "check the orientation"): (right, left),
        (UNDECIDED, "on both sides"): (both, right),
    }
    for (kind, words), maps in sentences.items():
        verdict = judge_sides(*maps, middle)
        assert verdict.kind == kind
        assert words in verdict.text


def test_a_map_without_anything_is_told_instead_of_a_side(oblique_grid: Grid) -> None:
    left, nothing = half_map(oblique_grid, 0.0, 1, 0), half_map(oblique_grid, 0.0, 0, 0)
    verdict = judge_sides(left, nothing, 0.0)
    assert (verdict.kind, verdict.for_right, verdict.is_wrong) == (NO_MAP, None, False)
    assert "The map for the right is 0 everywhere" in verdict.text
    assert "the left and that for the right" in judge_sides(nothing, nothing, 0.0).text


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_map_that_says_nothing_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        side_shares(Volume(np.full(GRID.shape, value, np.float32), GRID), 0.0)
