"""From a segmentation to the prediction of an outcome of its lesions."""

import html
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LesionLensLib.catalogue import find_card, list_cards
from LesionLensLib.errors import LesionLensError
from LesionLensLib.model_card import ModelCard
from LesionLensLib.panel.LesionPlace import imageCard

MODULE = "MetastasisOutcome"
OWN_MODEL_SETTING = "LesionLens/OwnOutcomeModelFolder"


def predictFrom(reportNode: Any) -> None:
    """Open the module MetastasisOutcome with the segmentation of this report node as the lesion; needs the window."""
    slicer.util.selectModule(MODULE)
    slicer.modules.metastasisoutcome.widgetRepresentation().self().predict(reportNode)


def outcomeCards() -> list[ModelCard]:
    """Return the cards of the models that predict an outcome, the user's own last; unreadable ones are left out.

    The panel of MetastasisOutcome says what is wrong with those.
    """
    cards: list[ModelCard] = []
    try:
        cards += list_cards()
        own = str(qt.QSettings().value(OWN_MODEL_SETTING, "") or "")
        cards += [find_card(own)] if own else []
    except LesionLensError:
        pass
    return [card for card in cards if card.outcome is not None]


def fittingCard(roles: Any, cards: list[ModelCard]) -> ModelCard | None:
    """Return the outcome model that reads the most of the images `roles` and no other, None where none fits."""
    fitting = [card for card in cards if set(imageCard(card).roles) <= set(roles)]
    return max(fitting, key=lambda card: len(imageCard(card).roles), default=None)


def whyNoneFits(roles: Any, cards: list[ModelCard]) -> str:
    """Return in a sentence why no outcome can be predicted from the images `roles`, or an empty text."""
    if fittingCard(roles, cards) is not None:
        return ""
    if not cards:
        return str(_("No model for outcomes is installed, so nothing can be predicted of these lesions."))
    needs = []
    for card in cards:
        missing = [role for role in imageCard(card).roles if role not in roles]
        needs.append(_("{model} also needs {roles}").format(model=card.title or card.id, roles=", ".join(missing)))
    return str(_("No outcome model fits these images: {needs}.").format(needs="; ".join(needs)))


class PredictButton:
    """The button "Predict" of a segmentation with the sentence below it where no outcome model fits."""

    def __init__(self, button: Any, label: Any) -> None:
        self._button, self._label = button, label
        self._toolTip = button.toolTip

    def show(self, roles: Any) -> None:
        """Offer to predict from a segmentation of the images `roles`; None where there is no segmentation."""
        problem = "" if roles is None else whyNoneFits(roles, outcomeCards())
        self._button.visible = roles is not None
        self._button.enabled = not problem
        self._button.toolTip = problem or self._toolTip
        self._label.text = html.escape(problem)
        self._label.visible = bool(problem)
