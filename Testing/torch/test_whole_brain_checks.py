"""The checks of maps of networks that take seconds a pass: few passes of the whole image, maps at a sample of cubes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from LesionLensLib.explain.job.checked_occlusion import SAMPLED_CUBES, checked_at_a_sample, sample_places
from LesionLensLib.explain.job.explanation import Explanation
from LesionLensLib.explain.job.judge import NOT_CHECKED, judge
from LesionLensLib.explain.job.judge_brain import CURVES, judge_brain
from LesionLensLib.explain.job.methods import MOST_CUBES, _whole_brain_cube_mm
from LesionLensLib.explain.job.segmentation import FastPass, fast_question
from LesionLensLib.explain.occlusion.cubes import Cubes
from LesionLensLib.explain.occlusion.map import occlusion_map
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import MaskReadout
from LesionLensLib.explain.validity.similarity import rank_correlation
from LesionLensLib.geometry import Grid
from LesionLensLib.inference.cpu import PLAIN
from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.networks.rsanet import RSANet

SIDE = 16
GRID = Grid((SIDE, SIDE, SIDE), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
DEVICE = DeviceChoice("cpu", "a test", PLAIN)
ASKED = OcclusionSettings(size_mm=4.0, fill="zero")
OTHER = "cubes of 6 mm"


@pytest.fixture(scope="module")
def begun() -> Any:
    """What the checks read of a case that was begun: an untrained RSANet asked about the middle of noise."""
    torch.manual_seed(0)
    network = RSANet(2, base_width=8).eval().requires_grad_(False)
    mask = torch.zeros(SIDE, SIDE, SIDE)
    mask[6:11, 6:11, 6:11] = 1
    question = Question((network,), torch.randn(1, 2, SIDE, SIDE, SIDE), GRID, ("T1", "FLAIR"), MaskReadout(mask))
    fast = fast_question(question, DEVICE)
    return SimpleNamespace(
        question=question, fast=fast, job=SimpleNamespace(checks=True, method="occlusion"),
        run=SimpleNamespace(device=DEVICE),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(begun: Any) -> Explanation:
    """The occlusion map of that question and what it is checked by."""
    whole = occlusion_map(begun.fast, ASKED)
    assert whole.cubes == 64
    checks = checked_at_a_sample(begun, ASKED, lambda fraction, text: None)
    return Explanation(whole.total, "impact", "probability", True, "", **checks)


def test_the_sample_has_the_middle_of_so_many_different_cubes_and_is_drawn_alike_each_time() -> None:
    region = np.zeros(GRID.shape, dtype=bool)
    region[:, :8] = True
    cubes = Cubes.on_grid(GRID, 3.0, region=region)
    sample = sample_places(cubes)
    assert sample.sum() == SAMPLED_CUBES < cubes.count
    places = np.argwhere(sample)
    assert len({tuple(place // 3) for place in places}) == SAMPLED_CUBES
    assert cubes.covered[sample].all()
    assert set((places % 3).ravel()) <= {1, 0}, "the middle, and the last voxel of the cube that the border cuts"
    assert np.array_equal(sample, sample_places(cubes))
    assert not np.array_equal(sample, sample_places(cubes, seed=1))
    assert sample_places(cubes, 1000).sum() == cubes.count


def test_the_map_made_anew_is_the_map_itself_at_the_sample(begun: Any, found: Explanation) -> None:
    assert found.sample_of == 64
    assert found.make_map is not None
    assert np.array_equal(found.make_map(begun.question), found.sampled())
    assert found.sampled().shape == (SAMPLED_CUBES,)
    assert np.abs(found.sampled()).max() > 0
    wider = occlusion_map(begun.fast, OcclusionSettings(size_mm=6.0, fill="zero")).total
    assert list(found.variants) == [OTHER]
    assert np.array_equal(found.variants[OTHER], wider[found.sample])


def test_few_passes_give_every_check_and_say_what_they_rest_on(
    begun: Any, found: Explanation, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[float, str]] = []
    passes, forward = [0], FastPass.forward

    def counted(network: FastPass, images: torch.Tensor) -> torch.Tensor:
        passes[0] += len(images)
        return forward(network, images)

    monkeypatch.setattr(FastPass, "forward", counted)
    before = {name: value.clone() for name, value in begun.question.networks[0].state_dict().items()}
    validity, findings = judge(begun, found, lambda *one: told.append(one))
    assert passes == [int(told[0][1].split()[0]) + 1], "the one by which the time is judged is over when it is told"
    assert validity is not None
    assert findings == ()
    record = validity.to_dict()
    assert 0 <= record["deletion_auc"] <= 1
    assert 0 <= record["insertion_auc"] <= 1
    assert len(validity.curves.deletion) == CURVES.steps + 1
    assert validity.curves.deletion[0] == pytest.approx(begun.fast.answer)
    assert list(record["random_weights"]) == ["centre", "stem"]
    assert -1 <= record["random_weights_correlation"] <= 1
    assert record["stability"] == pytest.approx(rank_correlation(found.sampled(), found.variants[OTHER]), abs=1e-6)
    assert record["text"].endswith("at 24 of 64 cubes, drawn at random.")
    assert "--no-checks" in told[0][1]
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all("left" in text for _, text in told[1:])
    assert all(torch.equal(value, before[name]) for name, value in begun.question.networks[0].state_dict().items())


def test_checks_that_were_not_asked_for_leave_a_warning(begun: Any, found: Explanation) -> None:
    unasked = SimpleNamespace(**{**vars(begun), "job": SimpleNamespace(checks=False, method="occlusion")})
    assert judge(unasked, found, lambda share, text: None) == (None, (NOT_CHECKED,))


@pytest.mark.parametrize(("side", "expected_mm"), [(80, 16.0), (120, 24.0), (128, 32.0), (400, 32.0)])
def test_cubes_are_the_larger_the_more_there_are_to_cover(side: int, expected_mm: float) -> None:
    grid = Grid((side // 8,) * 3, (8.0, 8.0, 8.0), (0.0, 0.0, 0.0))
    asked: Any = SimpleNamespace(question=SimpleNamespace(grid=grid))
    assert _whole_brain_cube_mm(asked, None) == expected_mm
    assert expected_mm == 16 or Cubes.on_grid(grid, expected_mm - 8).count > MOST_CUBES
    assert side == 400 or Cubes.on_grid(grid, expected_mm).count <= MOST_CUBES


def test_a_map_that_takes_minutes_each_time_is_not_made_anew_and_that_is_said(begun: Any) -> None:
    def make_map(question: Question) -> np.ndarray:
        raise AssertionError("made anew")

    found = Explanation(np.random.default_rng(0).random(GRID.shape), "mask", "weight", False, "", make_map=make_map)
    validity = judge_brain(begun.question, begun.fast, "smocam", found, lambda share, text: None)
    record = validity.to_dict()
    assert record["random_weights_correlation"] is None
    assert record["random_weights"] == {}
    assert record["stability"] is None
    assert "depends on what the network learned was not checked" in record["text"]
    assert 0 < record["deletion_auc"] < 1
