"""The quick estimate of lesion load that stands beside what a segmentation measured, where its model is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from LesionLensLib.catalogue import QUICK_MODEL, models_root, read_card
from LesionLensLib.errors import Cancelled
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.case import Case
from LesionLensLib.inference.hemispheres import SideLoads
from LesionLensLib.inference.lesion_load import quick_load
from LesionLensLib.inference.prediction import SIMULATED
from LesionLensLib.inputs import Finding
from LesionLensLib.model_card import CARD_FILE, ModelCard

TOTAL = "total"
FROM_SIMULATED = "learned from simulated lesions"
FAR_IN_ERRORS = 2.0
FAR_APART = "They are further apart than usual: compare the outlined lesions with the images before using either."
_DIGITS = 3


@dataclass(frozen=True)
class QuickEstimate:
    """What the network says of each side (ml), its usual error of the total (ml, None if unknown), and who says it."""

    loads: SideLoads
    error_ml: float | None
    model: str
    note: str

    def to_dict(self, measured: SideLoads) -> dict[str, Any]:
        """Return JSON values for the report, with a sentence that compares them with what was `measured`."""
        return {
            "total_ml": round(self.loads.total_ml, _DIGITS),
            **sides_record(self.loads, _DIGITS),
            "error_ml": None if self.error_ml is None else round(self.error_ml, _DIGITS),
            "model": self.model,
            "note": self.note,
            "text": self.text(measured),
        }

    def text(self, measured: SideLoads) -> str:
        """Return one sentence for people."""
        name = f"Quick estimate, {self.note}" if self.note else "Quick estimate"
        error = "" if self.error_ml is None else f", usual error {self.error_ml:.1f} ml"
        text = f"{name}: {_in_words(self.loads)}{error}; measured {_in_words(measured)}."
        return f"{text} {FAR_APART}" if self._is_far_from(measured) else text

    def _is_far_from(self, measured: SideLoads) -> bool:
        away_ml = abs(self.loads.total_ml - measured.total_ml)
        return self.error_ml is not None and away_ml > FAR_IN_ERRORS * self.error_ml


def quick_estimate(case: Case, brain: Volume) -> tuple[QuickEstimate | None, tuple[Finding, ...]]:
    """Return the estimate for a case, None where its model is not installed or the case lacks one of its channels.

    `brain` is the mask that the segmentation used, on any grid. Whatever fails becomes a warning: the segmentation
    stands without the estimate.
    """
    try:
        card = _installed_card()
        if card is None or any(role not in case.volumes for role in card.roles):
            return None, ()
        return QuickEstimate(quick_load(case, brain, card), _error_of(card), card.id, _note_of(card)), ()
    except Cancelled:
        raise
    except Exception as error:
        text = f"There is no quick estimate of the lesion load: {str(error) or type(error).__name__}"
        remedy = "What was measured does not depend on it."
        return None, (Finding("warning", "no-quick-estimate", text, remedy),)


def sides_record(loads: SideLoads, digits: int = 6) -> dict[str, float]:
    """Return the fields of the report for the two sides."""
    return {"left_ml": round(loads.left_ml, digits), "right_ml": round(loads.right_ml, digits)}


def _installed_card() -> ModelCard | None:
    folder = models_root() / QUICK_MODEL
    if not (folder / CARD_FILE).is_file():
        return None
    card = read_card(folder)
    return card if card.weights_path.is_file() else None


def _error_of(card: ModelCard) -> float | None:
    outputs = () if card.regression is None else card.regression.outputs
    return next((output.error for output in outputs if output.name == TOTAL), None)


def _note_of(card: ModelCard) -> str:
    return FROM_SIMULATED if card.evidence == SIMULATED else ""


def _in_words(loads: SideLoads) -> str:
    return f"{loads.total_ml:.1f} ml (left {loads.left_ml:.1f}, right {loads.right_ml:.1f})"
