"""Occlusion maps show how much the answer falls without each part, as MONAI and arithmetic say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from occlusion_cases import question, weighted, with_statistics

from LesionLensLib.errors import Cancelled, UserError
from LesionLensLib.explain.occlusion.map import occlusion_map
from LesionLensLib.explain.occlusion.noise import rounding_noise, unit_of
from LesionLensLib.explain.occlusion.pace import Pace, in_words
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.explain.readout import RiskReadout
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.outcome.calibration import Calibration


def test_a_weighted_sum_loses_what_the_cube_adds_to_it() -> None:
    torch.manual_seed(0)
    weights, image = torch.randn(2, 6, 8, 10), torch.randn(1, 2, 6, 8, 10)
    found = occlusion_map(weighted(weights, image), OcclusionSettings(2.0, fill="zero", per_channel=True))
    share = (weights * image[0]).view(2, 3, 2, 4, 2, 5, 2).sum((2, 4, 6))
    pairs = ((found.total, share.sum(0)), (found.by_role["PET"], share[0]), (found.by_role["CT"], share[1]))
    for values, expected in pairs:
        spread = expected.repeat_interleave(2, 0).repeat_interleave(2, 1).repeat_interleave(2, 2)
        assert np.abs(values - spread.numpy()).max() < 1e-4
    assert (found.cubes, found.size, found.method) == (60, (2, 2, 2), "plain")
    assert np.array_equal(found.absolute, np.abs(found.total))
    assert found.covered.all()


def test_a_region_that_the_network_ignores_has_no_impact() -> None:
    weights = torch.ones(1, 8, 8, 8)
    weights[:, :, :4] = 0
    found = occlusion_map(weighted(weights, torch.rand(1, 1, 8, 8, 8) + 1), OcclusionSettings(4.0, fill="zero"))
    assert np.all(found.total[:, :4] == 0)
    assert np.all(found.total[:, 4:] > 1)


def test_the_map_is_that_of_monai_on_the_same_network() -> None:
    torch.manual_seed(0)
    network = with_statistics(CHMFL(base_width=4, hidden=(8,), decoder=False, levels=3))
    image = torch.randn(1, 2, 16, 8, 24)
    monai = pytest.importorskip("monai.visualize", reason="monai is not installed (train or bench group)")
    peer = monai.OcclusionSensitivity(
        lambda_module(network), mask_size=4, n_batch=8, mode=0.0, overlap=0.0, verbose=False
    )
    with torch.inference_mode():
        occluded = peer(image)[0][0, 1].numpy()
    found = occlusion_map(question((network,), image), OcclusionSettings(4.0, fill="zero"))
    assert found.method == "incremental"
    assert np.abs(found.total - (found.answer - occluded)).max() < 1e-6
    assert np.abs(found.total).max() > 1e-3


def lambda_module(network: CHMFL) -> torch.nn.Module:
    """Show MONAI the outcome alone."""

    class Outcome(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return network.outcome_logits(x)

    return Outcome().eval()


def test_the_outline_stays_unless_it_is_to_be_occluded_too() -> None:
    weights, image = torch.ones(3, 4, 4, 4), torch.ones(1, 3, 4, 4, 4)
    kept = occlusion_map(weighted(weights, image), OcclusionSettings(4.0, fill="zero", per_channel=True))
    assert kept.total[0, 0, 0] == pytest.approx(128)
    assert set(kept.by_role) == {"PET", "CT"}
    all_of_it = occlusion_map(weighted(weights, image), OcclusionSettings(4.0, outlines=True, per_channel=True))
    assert all_of_it.total[0, 0, 0] == pytest.approx(64), "the images are constant, so that only the outline falls to 0"
    assert set(all_of_it.by_role) == {"PET", "CT", "lesion"}


def test_outside_the_region_the_map_is_0_and_says_that_nothing_was_looked_at() -> None:
    region = np.zeros((8, 8, 8), dtype=bool)
    region[5, 5, 5] = True
    asked = weighted(torch.ones(1, 8, 8, 8), torch.ones(1, 1, 8, 8, 8))
    found = occlusion_map(asked, OcclusionSettings(4.0, fill="zero", region=region))
    assert found.cubes == 1
    assert found.covered.sum() == 64
    assert found.total[4:, 4:, 4:].min() == found.total.max() == pytest.approx(64)
    assert found.total[~found.covered].max() == 0


def test_impacts_under_the_rounding_of_the_answer_are_exactly_0() -> None:
    weights = torch.zeros(1, 4, 4, 8)
    weights[0, 0, 0, 0], weights[0, 0, 0, 7] = 1.0, 1e-4
    image = torch.full((1, 1, 4, 4, 8), 1000.0)
    image[..., 4:] = 0.5
    found = occlusion_map(weighted(weights, image), OcclusionSettings(4.0, fill="zero"))
    assert 5e-5 < found.noise < 3e-4, "a unit in the last place of 1000 is 6e-5, and the input moves by twice that"
    assert found.total[0, 0, 0] == pytest.approx(1000)
    assert found.total[0, 0, 7] == 0, "5e-5 is lost in the rounding of 1000"
    bright = occlusion_map(weighted(weights, image), OcclusionSettings(4.0, fill="mean"))
    assert bright.total[0, 0, 7] == pytest.approx(1e-4 * (0.5 - image.mean().item()), abs=2 * found.noise)


def test_the_rounding_is_that_of_the_format_in_which_the_networks_compute() -> None:
    asked = weighted(torch.rand(1, 8, 8, 8), torch.rand(1, 1, 8, 8, 8))
    fine = rounding_noise(asked)
    asked.networks[0].precision = torch.bfloat16  # type: ignore[assignment]
    assert fine < 2e-5
    assert 0.01 < rounding_noise(asked) < 1, "512 values near 0.25 that each move by up to 0.8 percent"
    assert unit_of(torch.nn.Linear(2, 2).bfloat16()) == 2**-7
    assert unit_of(torch.nn.Linear(2, 2)) == 2**-23


def test_impacts_that_are_rounding_are_counted() -> None:
    weights = torch.full((1, 4, 4, 8), 1e-9)
    weights[0, 0, 0, 0] = 1.0
    asked = weighted(weights, torch.full((1, 1, 4, 4, 8), 3.0), 1000.0)
    found = occlusion_map(asked, OcclusionSettings(2.0, fill="zero"))
    assert found.total[0, 0, 0] == pytest.approx(3.0, abs=1e-3)
    assert np.count_nonzero(found.total) == 8
    assert found.silenced <= 15


def test_the_networks_of_an_ensemble_are_averaged_before_the_answer_as_in_a_prediction() -> None:
    torch.manual_seed(0)
    networks = tuple(with_statistics(CHMFL(base_width=4, hidden=(8,), decoder=False, levels=3), n) for n in range(3))
    asked = question(networks, torch.randn(1, 2, 8, 8, 12), RiskReadout(Calibration("platt", 0.2, -0.1)))
    quick = occlusion_map(asked, OcclusionSettings(4.0, per_channel=True))
    plain = occlusion_map(asked, OcclusionSettings(4.0, per_channel=True, plain=True))
    assert (quick.method, plain.method, plain.plain_because) == ("incremental", "plain", "asked for")
    assert quick.answer == pytest.approx(asked.answer, abs=1e-6)
    for one, other in ((quick.total, plain.total), (quick.by_role["CT"], plain.by_role["CT"])):
        assert np.abs(one - other).max() < 1e-6
        assert np.abs(other).max() > 1e-3


def test_coarse_to_fine_looks_closely_only_where_the_impact_is_large() -> None:
    image = torch.rand(1, 1, 16, 16, 16)
    weights = torch.full((1, 16, 16, 16), 1e-3)
    weights[0, 3, 4, 5] = 50.0
    asked = weighted(weights, image)
    fine = occlusion_map(asked, OcclusionSettings(1.0, fill="zero"))
    found = occlusion_map(asked, OcclusionSettings(1.0, fill="zero", halvings=3))
    assert found.refinement is not None
    assert found.refinement.cubes == (8, 8, 8, 8)
    assert found.cubes == 32
    assert fine.cubes == 4096
    assert found.total[3, 4, 5] == pytest.approx(fine.total[3, 4, 5], rel=1e-4)
    assert found.total.sum() == pytest.approx(fine.total.sum(), rel=1e-3), "a sum is shared out without loss"
    assert found.refinement.whole.sum() == 4096 - 8
    assert found.refinement.largest_whole == pytest.approx(1e-3 * 512 / 2, rel=0.2)


def test_coarse_to_fine_that_cuts_everything_is_the_fine_map() -> None:
    torch.manual_seed(0)
    network = with_statistics(CHMFL(base_width=4, hidden=(8,), decoder=False, levels=3))
    asked = question((network,), torch.randn(1, 2, 8, 8, 12))
    region = np.zeros((8, 8, 12), dtype=bool)
    region[2:, 3:, 1:9] = True
    fine = occlusion_map(asked, OcclusionSettings(2.0, region=region, per_channel=True))
    found = occlusion_map(asked, OcclusionSettings(2.0, region=region, per_channel=True, halvings=2, cut_from=0.0))
    assert found.refinement is not None
    assert not found.refinement.whole.any()
    assert np.abs(found.total - fine.total).max() < 1e-6
    assert np.abs(found.by_role["PET"] - fine.by_role["PET"]).max() < 1e-6
    assert np.array_equal(found.covered, fine.covered)


def test_the_work_tells_how_far_it_is_and_stops_when_told_to() -> None:
    asked = weighted(torch.ones(1, 8, 8, 8), torch.rand(1, 1, 8, 8, 8))
    told: list[tuple[float, str]] = []
    occlusion_map(asked, OcclusionSettings(2.0), lambda fraction, text: told.append((fraction, text)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert "64 of 64 cubes" in told[-1][1]

    def stop(fraction: float, text: str) -> None:
        if fraction > 0:
            raise Cancelled

    threads = torch.get_num_threads()
    with pytest.raises(Cancelled):
        occlusion_map(asked, OcclusionSettings(2.0), stop)
    assert torch.get_num_threads() == threads


def test_the_time_to_go_is_judged_without_the_preparation_and_the_first_portion() -> None:
    seconds = iter([0.0, 100.0, 110.0, 112.0])
    told: list[str] = []
    pace = Pace(15, 2, lambda fraction, text: told.append(text), lambda: next(seconds))
    pace.prepare("reading")
    pace.resume()
    pace.add(10)
    assert told[-1] == "10 of 15 cubes, network 1 of 2, about 20 s left"
    pace.add(10)
    assert told[-1] == "5 of 15 cubes, network 2 of 2, about 2 s left"
    assert [in_words(value) for value in (0, 0.2, 45, 200, 9000)] == ["0 s", "1 s", "45 s", "3 min", "2.5 h"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"size_mm": 0.0}, {"size_mm": float("nan")}, {"stride_mm": -1.0}, {"fill": "noise"}, {"halvings": -1},
        {"cut_from": 2.0}, {"halvings": 1, "stride_mm": 4.0},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused_in_words(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError) as caught:
        OcclusionSettings(**wrong)  # type: ignore[arg-type]
    assert caught.value.remedy
