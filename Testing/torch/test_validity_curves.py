"""Deletion and insertion curves of networks whose every number is known in advance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from LesionLensLib.errors import Cancelled
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import MaskReadout, OutputReadout, RiskReadout
from LesionLensLib.explain.validity.curves import Curves, CurveSettings, area, draw_curves, outline_channels
from LesionLensLib.explain.validity.pieces import Pieces, blank_of
from LesionLensLib.geometry import Grid

SIDE, CUBE = 16, (4, 4, 4)
GRID = Grid((SIDE, SIDE, SIDE), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
SETTINGS = CurveSettings(steps=4, random_orders=4, cube=CUBE)


class MeanOfRegion(nn.Module):
    """Puts out `scale` times the mean of the image in `region`, or its margin as two logits."""

    def __init__(self, region: np.ndarray, scale: float = 1.0, logits: bool = False, shift: float = 0.0) -> None:
        super().__init__()
        self.region, self.scale, self.logits, self.shift = torch.from_numpy(region), scale, logits, shift
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        value = self.scale * x[:, 0, self.region].mean(1, keepdim=True) + self.shift
        return torch.cat([-value / 2, value / 2], 1) if self.logits else value


def quarter() -> np.ndarray:
    """Return a quarter of the volume, which is 16 of 64 cubes."""
    region = np.zeros((SIDE, SIDE, SIDE), dtype=bool)
    region[:, :8, :8] = True
    return region


def asked_of(network: nn.Module, **changes: object) -> Question:
    """Return the question of an image that is 1 in a quarter and -1/3 elsewhere, so that its mean, its blank, is 0."""
    image = torch.from_numpy(np.where(quarter(), 1.0, -1 / 3)).float()[None, None]
    return replace(Question((network,), image, GRID, ("T1",), OutputReadout()), **changes)


def test_the_true_map_deletes_the_whole_answer_in_the_first_step_and_brings_it_back() -> None:
    curves = draw_curves(asked_of(MeanOfRegion(quarter(), 5.0)), quarter().astype(np.float32), settings=SETTINGS)
    np.testing.assert_allclose(curves.deletion, [5, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(curves.insertion, [0, 5, 5, 5, 5], atol=1e-6)
    assert curves.deletion_auc == pytest.approx(0.625)
    assert curves.insertion_auc == pytest.approx(4.375)
    assert curves.random_auc == pytest.approx(2.5, abs=0.4)
    assert curves.kept(curves.deletion_auc) == pytest.approx(0.125)
    assert curves.kept(curves.insertion_auc) == pytest.approx(0.875)
    assert "takes the answer away" in curves.text


def test_the_opposite_map_is_no_better_than_chance() -> None:
    curves = draw_curves(asked_of(MeanOfRegion(quarter())), (~quarter()).astype(np.float32), settings=SETTINGS)
    np.testing.assert_allclose(curves.deletion, [1, 1, 1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(curves.insertion, [0, 0, 0, 0, 1], atol=1e-6)
    assert "do not rely on it" in curves.text


def test_a_flat_map_has_the_area_of_a_random_order() -> None:
    curves = draw_curves(asked_of(MeanOfRegion(quarter())), np.ones(GRID.shape), settings=SETTINGS)
    assert curves.deletion_auc == pytest.approx(0.5, abs=0.1)
    assert curves.insertion_auc == pytest.approx(1 - curves.deletion_auc, abs=1e-6)


def test_a_signed_map_is_read_in_the_direction_in_which_the_image_moves_the_answer() -> None:
    """The quarter speaks against the event, whose probability it takes from 0.5 to 0.05: its values are negative."""
    asked = asked_of(MeanOfRegion(quarter(), -3.0, logits=True), readout=RiskReadout())
    assert asked.answer == pytest.approx(1 / (1 + np.exp(3)))
    values = -quarter().astype(np.float32)
    signed = draw_curves(asked, values, True, SETTINGS)
    no_event = 1 - asked.answer
    np.testing.assert_allclose(signed.deletion, [no_event, 0.5, 0.5, 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(signed.insertion, [0.5, *[no_event] * 4], atol=1e-6)
    assert signed.reversed
    assert signed.deletion_auc < signed.random_auc < signed.insertion_auc < 1
    assert signed.text.startswith("Deleting what the map marks takes the answer away")
    assert signed.text.endswith("under 1 minus the answer).")
    magnitude = draw_curves(asked, -values, False, SETTINGS)
    assert np.array_equal(signed.deletion, magnitude.deletion)
    wrong_way = draw_curves(asked, -values, True, SETTINGS)
    np.testing.assert_allclose(wrong_way.kept(wrong_way.deletion), [1, 1, 1, 1, 0], atol=1e-6)


def test_the_areas_of_a_probability_stay_between_0_and_1_where_the_answer_overshoots() -> None:
    """What lies around the quarter holds the answer down: deleting it first takes the answer far above the whole's."""

    class Around(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            margin = 0.2 + 9 * x[:, 0].mean((1, 2, 3))[:, None] + 0.2 * x[:, 0, quarter()].mean(1, keepdim=True)
            return torch.cat([-margin / 2, margin / 2], 1)

    asked = asked_of(Around(), readout=RiskReadout())
    curves = draw_curves(asked, (~quarter()).astype(np.float32), settings=SETTINGS)
    assert curves.comparable
    assert curves.deletion.max() > 0.9 > asked.answer + 0.2
    assert 0 <= curves.deletion_auc <= 1
    assert curves.kept(curves.deletion_auc) > 1
    assert curves.deletion_auc == pytest.approx(float(np.mean((curves.deletion[1:] + curves.deletion[:-1]) / 2)))


def test_an_output_that_the_image_lowers_is_drawn_in_its_own_unit() -> None:
    curves = draw_curves(asked_of(MeanOfRegion(quarter(), -2.0)), -quarter().astype(np.float32), True, SETTINGS)
    np.testing.assert_allclose(curves.deletion, [-2, 0, 0, 0, 0], atol=1e-6)
    assert not curves.reversed
    assert "takes the answer away" in curves.text


def test_a_signed_map_of_what_raises_an_answer_begins_with_its_highest_values() -> None:
    signed = draw_curves(asked_of(MeanOfRegion(quarter(), 5.0)), quarter() - 0.5, True, SETTINGS)
    np.testing.assert_allclose(signed.deletion, [5, 0, 0, 0, 0], atol=1e-6)


def test_the_curves_of_a_probability_are_the_probability_itself() -> None:
    class Outlines(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([-x, x], 1)

    halves = quarter()
    halves[:8] = False
    asked = asked_of(Outlines(), readout=MaskReadout(torch.from_numpy(quarter()).float()))
    curves = draw_curves(asked, halves.astype(np.float32), settings=replace(SETTINGS, steps=8))
    whole = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(curves.deletion[:2], [whole, (whole + 0.5) / 2], atol=1e-6)
    np.testing.assert_allclose(curves.insertion[:2], [0.5, (whole + 0.5) / 2], atol=1e-6)
    assert curves.deletion[-1] == pytest.approx(0.5)
    assert curves.kept(curves.deletion[1]) == pytest.approx(0.5, abs=1e-6)


def test_a_network_that_ignores_the_image_shows_nothing() -> None:
    for network in (MeanOfRegion(quarter(), 0.0, shift=2.0), MeanOfRegion(quarter(), 0.01, shift=2.0)):
        curves = draw_curves(asked_of(network), np.ones(GRID.shape), settings=SETTINGS)
        assert not curves.comparable
        assert "same answer" in curves.text
        with pytest.raises(ValueError, match="between two equal answers"):
            curves.kept(curves.deletion_auc)
    risk = asked_of(MeanOfRegion(quarter(), 0.04, logits=True), readout=RiskReadout())
    assert not draw_curves(risk, np.ones(GRID.shape), settings=SETTINGS).comparable


def test_a_channel_that_is_an_outline_stays() -> None:
    network = MeanOfRegion(quarter())
    image = torch.randn(1, 2, SIDE, SIDE, SIDE)
    asked = asked_of(network, image=image, roles=("T1c", "lesion"))
    outlines = outline_channels(asked.roles)
    assert outlines == (1,)
    draw_curves(asked, np.ones(GRID.shape), settings=replace(SETTINGS, outlines=outlines))
    assert all(torch.equal(seen[:, 1], image[:, 1]) for seen in network.seen)
    blank = blank_of(image, outlines=outlines)
    torch.testing.assert_close(blank[0, 0], torch.full(GRID.shape, float(image[0, 0].mean())))
    assert min(float((seen[:, 0] - blank[:, 0]).abs().max()) for seen in network.seen) == 0.0


def test_the_cost_is_what_the_settings_say() -> None:
    network = MeanOfRegion(quarter())
    draw_curves(asked_of(network), np.random.default_rng(0).random(GRID.shape))
    settings = CurveSettings()
    assert len(network.seen) <= settings.steps * (2 + settings.random_orders) + 2 == 62


def test_the_same_map_gives_the_same_curves() -> None:
    values = np.random.default_rng(0).random(GRID.shape).round(1)
    first, second = (draw_curves(asked_of(MeanOfRegion(quarter())), values, settings=SETTINGS) for _ in range(2))
    assert np.array_equal(first.deletion, second.deletion)
    assert np.array_equal(first.random_aucs, second.random_aucs)


def test_curves_are_told_and_can_be_cancelled() -> None:
    seen: list[float] = []

    def tell(fraction: float, text: str) -> None:
        seen.append(fraction)
        if fraction >= 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        draw_curves(asked_of(MeanOfRegion(quarter())), np.ones(GRID.shape), settings=SETTINGS, tell=tell)
    assert seen == sorted(seen)
    assert seen[-1] == 0.5


@pytest.mark.parametrize("values", [np.ones((2, 2, 2)), np.full(GRID.shape, np.nan)])
def test_what_is_no_map_of_the_image_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="is no map"):
        draw_curves(asked_of(MeanOfRegion(quarter())), values)


def test_half_a_proof_is_said_to_be_half() -> None:
    curves = Curves(np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.4, 1.0]), np.array([0.5, 0.52]))
    assert area(curves.deletion) == 0.25
    assert curves.text.startswith("Deleting what the map marks moves the answer more than chance")


def test_pieces_cover_the_image_and_are_ranked_by_their_mean() -> None:
    pieces = Pieces.of((5, 4, 6), (2, 3, 4))
    assert pieces.count == 3 * 2 * 2
    assert pieces.numbers[4, 3, 5] == 11
    assert pieces.numbers[1, 2, 3] == 0
    values = np.zeros((5, 4, 6))
    values[4, 3, 5] = 1.0  # a cube of two voxels, mean 0.5
    values[0, 0, 0] = 2.0  # one of 24, mean 0.08
    order = pieces.ranked(values, np.random.default_rng(0))
    assert order[:2].tolist() == [11, 0]
    assert sorted(order) == list(range(12))
    assert order[2:].tolist() != sorted(order[2:])
    assert pieces.voxels(order[:1]).sum() == 2


def test_a_blank_is_the_mean_nothing_or_blurred_and_leaves_outlines_alone() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 2, 12, 8, 16) + 1
    image[:, :, :6] += 4
    assert blank_of(image, "zero", (1,))[0, 0].abs().max() == 0
    assert torch.equal(blank_of(image, "zero", (1,))[0, 1], image[0, 1])
    blurred = blank_of(image, "blurred")
    assert blurred[0, 0, 0].mean() > blurred[0, 0, -1].mean() + 1
    assert blurred[0, 0, 0].std() < 0.2 * image[0, 0, 0].std()
    with pytest.raises(ValueError, match="blank must be one of"):
        blank_of(image, "black")


def test_pieces_are_about_a_twelfth_of_each_side() -> None:
    assert Pieces.of((48, 40, 40)).count == 12 * 10 * 10
    assert Pieces.of((5, 13, 24)).count == 5 * 7 * 12
