"""Whether probabilities mean what they say is judged on patients whom neither network nor calibration knew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from LesionLensLib.training.outcome.calibration_report import write_calibration_report
from LesionLensLib.training.outcome.predictions import Prediction


def held_out(loudness: float, count: int = 400, folds: int = 4) -> list[Prediction]:
    """Return predictions whose logits are `loudness` times the true ones."""
    rng = np.random.default_rng(3)
    true = rng.normal(0.0, 1.5, count)
    happened = rng.random(count) < expit(true)
    said = loudness * true
    return [
        Prediction(f"c{n}", f"p{n}", str(n % folds), int(happened[n]), float(expit(said[n])), float(said[n]))
        for n in range(count)
    ]


def test_loud_probabilities_are_off_and_their_calibration_is_not(tmp_path: Path) -> None:
    found = write_calibration_report(held_out(4.0), 200, tmp_path)
    loud, mended = (found[name]["expected_calibration_error"] for name in ("uncalibrated", "calibrated"))
    assert found["uncalibrated"]["reliability"]["p_value"] < 0.01
    assert found["calibrated"]["reliability"]["p_value"] > 0.05
    assert mended["value"] < loud["value"] / 2
    assert loud["low"] <= loud["value"] <= loud["high"]
    assert (loud["patients"], loud["method"]) == (400, "bootstrap")
    assert found["calibrated"]["brier_score"]["value"] < found["uncalibrated"]["brier_score"]["value"]


def test_the_curve_is_drawn_before_and_after_calibration(tmp_path: Path) -> None:
    write_calibration_report(held_out(1.0, 60), 100, tmp_path)
    content = (tmp_path / "reliability.png").read_bytes()
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    assert width == pytest.approx(2 * height, abs=2)
    assert len(content) > 10_000


def test_two_folds_are_too_few_to_judge_a_calibration(tmp_path: Path) -> None:
    assert write_calibration_report(held_out(1.0, folds=2), 100, tmp_path) == {}
    assert not list(tmp_path.iterdir())
