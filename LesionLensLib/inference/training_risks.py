"""The risks of the patients a model was trained on, each from networks that had not seen him: what risks are usual."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from LesionLensLib.errors import UserError
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome.calibration import Calibration

HELD_OUT_FILE = "predictions.csv"


@dataclass(frozen=True)
class TrainingRisks:
    """Calibrated probabilities (0 to 1) of the training patients without and with the event."""

    without: tuple[float, ...] = ()
    with_event: tuple[float, ...] = ()


def training_risks(card: ModelCard) -> TrainingRisks | None:
    """Return the risks that the training wrote beside the card, None where it wrote none.

    Raises `UserError` for a table that is none of held-out predictions.
    """
    path = card.folder / HELD_OUT_FILE
    if card.outcome is None or not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(int(record["outcome"]), float(record["score"])) for record in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError) as error:
        message = f"{HELD_OUT_FILE} in the folder of {card.id} cannot be read."
        raise UserError(message, "Correct it, or remove it from the model's folder.", repr(error)) from error
    calibration = card.outcome.calibration or Calibration()
    risks = [(outcome, float(calibration.apply(score))) for outcome, score in rows]
    return TrainingRisks(*(tuple(risk for outcome, risk in risks if outcome == event) for event in (0, 1)))
