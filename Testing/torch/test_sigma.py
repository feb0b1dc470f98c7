"""SMOCAM's unit comes from the model or from the user, and is never 1 for want of knowledge."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.explain.readout import MaskReadout, OutputReadout, RiskReadout
from LesionLensLib.explain.sigma import score_sigma
from LesionLensLib.model_card import ModelCard
from LesionLensLib.regression_card import RegressionCard, RegressionOutput


@pytest.fixture
def card(tiny_outcome_model: Path, tmp_path: Path) -> ModelCard:
    return replace(find_card(str(tiny_outcome_model)), folder=tmp_path)


def write_scores(folder: Path, scores: list[object]) -> None:
    lines = [f"p{n},p{n},0,1,0.5,{score},,," for n, score in enumerate(scores)]
    header = "case,patient,fold,outcome,probability,score,tumour_dice,whole_dice,inside_share"
    (folder / "predictions.csv").write_text("\n".join([header, *lines]) + "\n")


def test_a_risk_varies_as_the_margins_of_held_out_patients_do(card: ModelCard, tmp_path: Path) -> None:
    write_scores(tmp_path, [-1.0, 0.5, 2.5, 4.0])
    assert score_sigma(card, RiskReadout()) == pytest.approx(np.std([-1.0, 0.5, 2.5, 4.0], ddof=1))


def test_the_shipped_model_says_how_much_its_margin_varies() -> None:
    sigma = score_sigma(find_card("chmfl-sarcoma"), RiskReadout())
    report = json.loads((find_card("chmfl-sarcoma").folder / "training-report.json").read_text())
    assert report["patients"] == 42
    assert 1.0 < sigma < 10.0


def test_an_output_varies_as_its_card_says(card: ModelCard) -> None:
    outputs = (RegressionOutput("total", "ml", 9.5), RegressionOutput("left", "ml", 4.25))
    card = replace(card, regression=RegressionCard(outputs))
    assert score_sigma(card, OutputReadout(1)) == 4.25
    with pytest.raises(UserError, match="no output number 2"):
        score_sigma(card, OutputReadout(2))


def test_what_is_given_goes_before_what_the_model_says(card: ModelCard, tmp_path: Path) -> None:
    write_scores(tmp_path, [-1.0, 0.5, 2.5])
    assert score_sigma(card, RiskReadout(), 0.3) == 0.3


@pytest.mark.parametrize("given", [0.0, -2.0, math.nan, math.inf])
def test_a_given_sigma_is_a_number_above_zero(card: ModelCard, given: float) -> None:
    with pytest.raises(UserError, match="above 0"):
        score_sigma(card, RiskReadout(), given)


@pytest.mark.parametrize("readout", [OutputReadout(0), MaskReadout(torch.ones(2, 2, 2))])
def test_a_model_that_says_nothing_wants_a_sigma(card: ModelCard, readout: OutputReadout | MaskReadout) -> None:
    with pytest.raises(UserError, match="does not say") as caught:
        score_sigma(card, readout)
    assert "sigma" in caught.value.remedy


def test_a_risk_without_held_out_patients_wants_a_sigma(card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="without predictions"):
        score_sigma(card, RiskReadout())
    write_scores(tmp_path, [1.0, 2.0])
    with pytest.raises(UserError, match="too little"):
        score_sigma(card, RiskReadout())
    write_scores(tmp_path, [1.5, 1.5, 1.5])
    with pytest.raises(UserError, match="too little"):
        score_sigma(card, RiskReadout())
    write_scores(tmp_path, [1.0, "much", 3.0])
    with pytest.raises(UserError, match="cannot be read"):
        score_sigma(card, RiskReadout())
