"""What is said about one lesion: risk, interval, class, typicality, volume; for the report and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from LesionLensLib.inference.lesion_target import Target
from LesionLensLib.inference.outcome_ladder import EnsembleAnswer
from LesionLensLib.inference.outcome_network import outcome_of
from LesionLensLib.inputs import Finding
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome.calibration import Calibration
from LesionLensLib.outcome.risk_interval import FEWEST_MODELS, Risk, risk_of
from LesionLensLib.outcome.typicality import Typicality
from LesionLensLib.outcome_card import SIMULATED_NOTE

SIMULATED = "simulated"
_DIGITS = 6
_WORTH_SAYING = 0.02
NOT_COMPARED = Typicality(None, (), False, "The model says nothing about its training cases, so nothing was compared.")


@dataclass(frozen=True, eq=False)
class LesionPrediction:
    """The prediction for one lesion; `risk` has no interval where `has_interval` is false.

    `tumour_volume_ml` is that of the network's own outline, None where it makes none; `outside_share` what part of the
    given outline the network did not see, None without one.
    """

    target: Target
    answer: EnsembleAnswer
    risk: Risk
    has_interval: bool
    typicality: Typicality
    tumour_volume_ml: float | None
    outside_share: float | None = None


def risk_from(answer: EnsembleAnswer, card: ModelCard) -> tuple[Risk, bool]:
    """Return the calibrated risk, and whether it has an interval.

    With the networks of enough folds it is their calibrated mean logit, to which the interval belongs; else that of
    the final networks, without an interval.
    """
    calibration = outcome_of(card).calibration or Calibration()
    if len(answer.fold_logits) >= FEWEST_MODELS:
        return risk_of(answer.fold_logits, calibration), True
    probability = float(calibration.apply(answer.final.logit))
    return Risk(probability, 0.0, 1.0), False


def prediction_record(prediction: LesionPrediction, card: ModelCard) -> dict[str, Any]:
    """Return what the report says about one lesion."""
    outcome = outcome_of(card)
    risk, target = prediction.risk, prediction.target
    record: dict[str, Any] = {
        "lesion": target.number,
        "probability": round(risk.probability, _DIGITS),
        "interval": [round(risk.low, _DIGITS), round(risk.high, _DIGITS)] if prediction.has_interval else None,
        "class": outcome.classes[is_event(risk, card)],
        "threshold": card.threshold,
        "calibrated": outcome.calibration is not None and outcome.calibration.calibrated,
        "typicality": prediction.typicality.to_dict(),
    }
    if prediction.tumour_volume_ml is not None:
        record["tumour_volume_ml"] = round(prediction.tumour_volume_ml, _DIGITS)
    return {
        **record,
        "given_volume_ml": None if target.volume_ml is None else round(target.volume_ml, _DIGITS),
        "outside_view": None if prediction.outside_share is None else round(prediction.outside_share, _DIGITS),
        "center_ras": [round(float(part), 3) for part in target.center_ras],
        "logits": {
            "final": round(prediction.answer.final.logit, _DIGITS),
            "folds": [round(logit, _DIGITS) for logit in prediction.answer.fold_logits],
        },
        "text": sentence(prediction, card),
    }


def is_event(risk: Risk, card: ModelCard) -> bool:
    """Whether the event is the predicted class."""
    return risk.probability >= card.threshold


def sentence(prediction: LesionPrediction, card: ModelCard) -> str:
    """Return the prediction in words, the note of simulated models first."""
    outcome, risk = outcome_of(card), prediction.risk
    start = f"{SIMULATED_NOTE.capitalize()}. " if card.evidence == SIMULATED else ""
    interval = f" (95 % interval {risk.low:.2f} to {risk.high:.2f})" if prediction.has_interval else " (no interval)"
    how = "calibrated" if outcome.calibration is not None and outcome.calibration.calibrated else "not calibrated"
    chosen = outcome.classes[is_event(risk, card)]
    return (
        f"{start}Probability of {outcome.event}: {risk.probability:.2f}{interval}, {how}; at the threshold of "
        f"{card.threshold:g} this is {chosen}. {prediction.typicality.text}"
    )


def prediction_findings(prediction: LesionPrediction, several: bool = False) -> tuple[Finding, ...]:
    """Return what is worth knowing: a lesion unlike the training cases or at their edge, or larger than the view.

    Of `several` lesions the number is named: else a case with many has as many warnings that read alike.
    """
    findings = []
    if prediction.typicality.unusual:
        code = "atypical" if prediction.typicality.unlike else "edge-of-training-cases"
        named = f"Lesion {prediction.target.number}: " if several else ""
        text = f"{named}{prediction.typicality.text}"
        findings.append(Finding("warning", code, text, "Check images, mask and units."))
    return (*findings, *view_findings(prediction.target, prediction.outside_share))


def view_findings(target: Target, outside: float | None) -> tuple[Finding, ...]:
    """Return what to know of a lesion of which the share `outside` is not seen by the network; None without a mask."""
    if outside is None or outside <= _WORTH_SAYING:
        return ()
    text = (
        f"{100 * outside:.0f} % of lesion {target.number} lie outside of what the network sees, and of its outline."
    )
    return (Finding("info", "beyond-field-of-view", text, "Read the volume of the outline as a part."),)


def card_findings(card: ModelCard) -> tuple[Finding, ...]:
    """Return what has to be said about every prediction of this model."""
    findings = []
    if card.evidence == SIMULATED:
        text = f"{card.id}: {SIMULATED_NOTE}."
        findings.append(
            Finding("warning", "simulated-outcome", text, "Do not read its probabilities as those of patients.")
        )
    folds = outcome_of(card).ensemble.folds
    if folds < FEWEST_MODELS:
        text = f"{card.id} has networks of {folds} folds, which give no interval."
        findings.append(Finding("warning", "no-interval", text, f"Use a model with those of {FEWEST_MODELS} or more."))
    return tuple(findings)
