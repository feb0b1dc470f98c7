"""What a model folder keeps of its training patients beside weights: calibration, and what is typical of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from LesionLensLib.outcome.calibration import Calibration
from LesionLensLib.outcome.case_description import CaseDescription
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.outcome.typicality import TypicalityReference
from LesionLensLib.training.fit_calibration import FEWEST_FOLDS, fit_calibration
from LesionLensLib.training.fit_typicality import FEWEST_CASES, fit_typicality
from LesionLensLib.training.outcome.predictions import Prediction

TYPICALITY_FILE = "typicality.json"
_DIGITS = 7
"""As many as single precision has, in which the features were computed."""


def calibration_of(held_out: Sequence[Prediction]) -> Calibration | None:
    """Fit the calibration to the logits (`score`) of held-out patients; None where the folds are too few to choose."""
    if len({prediction.fold for prediction in held_out}) < FEWEST_FOLDS:
        return None
    outcomes = Outcomes.of(
        [prediction.outcome for prediction in held_out],
        [prediction.score for prediction in held_out],
        [prediction.patient for prediction in held_out],
    )
    return fit_calibration(outcomes, [int(prediction.fold) for prediction in held_out]).calibration


def typicality_of(cases: Sequence[CaseDescription], folds: Sequence[int]) -> TypicalityReference | None:
    """Fit the reference to the training cases, `folds` as in `fit_typicality`; None for too few cases."""
    return fit_typicality(cases, folds) if len(cases) >= FEWEST_CASES else None


def write_statistics(
    calibration: Calibration | None, typicality: TypicalityReference | None, folder: Path
) -> dict[str, Any]:
    """Write the typicality into `folder` and return the fields of the card for both."""
    fields: dict[str, Any] = {}
    if calibration is not None:
        fields["calibration"] = calibration.to_dict()
    if typicality is not None:
        content = (json.dumps(_rounded(typicality.to_dict()), allow_nan=False) + "\n").encode()
        (folder / TYPICALITY_FILE).write_bytes(content)
        fields["typicality"] = {"file": TYPICALITY_FILE, "sha256": hashlib.sha256(content).hexdigest()}
    return fields


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, (list, tuple)) else value
