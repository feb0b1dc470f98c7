"""What is explained is the very number that the user was told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit

from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import MaskReadout, OutputReadout, RiskReadout
from LesionLensLib.geometry import Grid
from LesionLensLib.inference.outcome_pass import ask_networks
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.outcome.calibration import Calibration

GRID = Grid((16, 16, 24), (3.0, 3.0, 3.0), (0.0, 0.0, 0.0))


def networks(count: int) -> tuple[CHMFL, ...]:
    torch.manual_seed(2)
    return tuple(CHMFL(levels=3, base_width=4, hidden=[8]).eval() for _ in range(count))


def test_the_answer_is_the_calibrated_mean_of_the_networks_as_in_a_prediction() -> None:
    images, own = torch.randn(1, 2, *GRID.shape), networks(3)
    calibration = Calibration("platt", 0.7, -0.2, (0.0, 0.0, 0.0), 42)
    asked = Question(own, images, GRID, ("PET", "CT"), RiskReadout(calibration))
    logit = ask_networks(own, images).logit
    assert asked.answer == pytest.approx(expit(0.7 * logit - 0.2), abs=1e-6)
    assert asked.scores(images).shape == (3, 1)


def test_a_risk_is_read_without_the_decoder() -> None:
    images, own = torch.randn(1, 2, *GRID.shape), networks(1)
    whole = own[0](images).outcome.softmax(1)[0, 1].item()
    own[0].decoder = None
    assert Question(own, images, GRID, ("PET", "CT"), RiskReadout()).answer == pytest.approx(whole, abs=1e-6)


def test_a_segmentation_is_explained_by_its_mean_probability_in_the_mask() -> None:
    images, own = torch.randn(1, 2, *GRID.shape), networks(1)
    mask = torch.zeros(GRID.shape)
    mask[3:5, 6:9, 7] = 1
    asked = Question(own, images, GRID, ("PET", "CT"), MaskReadout(mask))
    expected = own[0](images).mask.softmax(1)[0, 1][mask == 1].mean()
    assert asked.answer == pytest.approx(float(expected), abs=1e-6)
    assert not asked.asks_risk


def test_an_empty_mask_explains_nothing() -> None:
    images = torch.randn(1, 2, *GRID.shape)
    asked = Question(networks(1), images, GRID, ("PET", "CT"), MaskReadout(torch.zeros(GRID.shape)))
    with pytest.raises(ValueError, match="empty"):
        _ = asked.answer


def test_the_chosen_output_of_a_regression_is_read() -> None:
    output = torch.tensor([[1.0, 5.0], [2.0, 7.0]])
    assert OutputReadout(1).score(output).tolist() == [5.0, 7.0]
    assert OutputReadout(1).answer(np.array([5.0])).tolist() == [5.0]


def test_an_image_off_its_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="are needed"):
        Question(networks(1), torch.randn(1, 2, 8, 8, 8), GRID, ("PET", "CT"), RiskReadout())
