"""The section "About this model" of a panel: the essentials of the model's card."""

from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from LesionLensLib.card_essentials import CARD_PAGE, essentials
from LesionLensLib.model_card import ModelCard

LEAST_HEIGHT = 260


class ModelAbout:
    """A closed section right before the section `before`; the card is read when it is opened."""

    def __init__(self, before: Any) -> None:
        self._card: ModelCard | None = None
        self.section = ctk.ctkCollapsibleButton()
        self.section.text = _("About this model")
        self.section.toolTip = _("What the model learned from, how good it is, where it may fail, and its licence.")
        self.section.collapsed = True
        self.browser = qt.QTextBrowser()
        self.browser.toolTip = _("The essentials of the model's card.")
        self.browser.openExternalLinks = True
        self.browser.minimumHeight = LEAST_HEIGHT
        qt.QVBoxLayout(self.section).addWidget(self.browser)
        layout = before.parentWidget().layout()
        layout.insertWidget(layout.indexOf(before), self.section)
        self.section.connect("contentsCollapsed(bool)", self._onCollapsed)

    def show(self, card: ModelCard | None) -> None:
        """Show another model; None hides the section."""
        self._card = card
        self.section.visible = card is not None
        self._onCollapsed(self.section.collapsed)

    def _onCollapsed(self, isCollapsed: bool) -> None:
        if not isCollapsed and self._card is not None:
            self.browser.setMarkdown(aboutText(self._card))


def aboutText(card: ModelCard) -> str:
    """Return Markdown: title, version and use of a model, the essentials of its card, and where the whole card lies."""
    page = card.folder / CARD_PAGE
    version = _("{title}, version {version}").format(title=card.title, version=card.version)
    parts = [f"**{version}**", card.intended_use, essentials(card)]
    if page.is_file():
        whole = _("The whole card")
        parts.append(f"[{whole}]({page.as_uri()})")
    return "\n\n".join(part for part in parts if part)
