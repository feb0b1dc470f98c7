"""How much an output varies from patient to patient: the unit in which SMOCAM counts errors."""

from __future__ import annotations

import csv
import math

import numpy as np

from LesionLensLib.errors import UserError
from LesionLensLib.explain.readout import OutputReadout, Readout, RiskReadout
from LesionLensLib.inference.training_risks import HELD_OUT_FILE
from LesionLensLib.model_card import ModelCard

FEWEST_PATIENTS = 3
REMEDY = "Give the standard deviation of the output over patients as sigma (--sigma)."


def score_sigma(card: ModelCard, readout: Readout, given: float | None = None) -> float:
    """Return `given`, else the standard deviation over the training cohort of the score that `readout` takes.

    For a risk that is the spread of the margins (logits) which networks gave held-out patients, from the table beside
    the card; for an output of a regression what its card says. Never 1 for want of knowledge: raises `UserError`
    where nothing is known, and for a sigma that is no positive number.
    """
    if given is not None:
        if not (math.isfinite(given) and given > 0):
            raise UserError(f"Sigma is a number above 0, not {given:g}.", REMEDY)
        return given
    if isinstance(readout, RiskReadout):
        return _spread_of_margins(card)
    if isinstance(readout, OutputReadout) and card.regression is not None:
        return _of_output(card, readout.index)
    raise UserError(f"The model {card.id} does not say how much its output varies over patients.", REMEDY)


def _of_output(card: ModelCard, index: int) -> float:
    outputs = () if card.regression is None else card.regression.outputs
    if not 0 <= index < len(outputs):
        raise UserError(f"{card.id} has no output number {index}.", f"It has {len(outputs)}, counted from 0.")
    return outputs[index].sigma


def _spread_of_margins(card: ModelCard) -> float:
    path = card.folder / HELD_OUT_FILE
    if not path.is_file():
        raise UserError(f"{card.id} comes without {HELD_OUT_FILE}, from which sigma would be taken.", REMEDY)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            scores = [float(record["score"]) for record in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError) as error:
        message = f"{HELD_OUT_FILE} in the folder of {card.id} cannot be read."
        raise UserError(message, "Correct it, or remove it and give sigma.", repr(error)) from error
    sigma = float(np.std(scores, ddof=1)) if len(scores) >= FEWEST_PATIENTS else 0.0
    if not (math.isfinite(sigma) and sigma > 0):
        raise UserError(f"{HELD_OUT_FILE} of {card.id} says too little to take sigma from it.", REMEDY)
    return sigma
