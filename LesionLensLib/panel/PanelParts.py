"""What every panel shows: models, readiness, progress, findings, errors. It decides nothing about the work."""

import html
import logging
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from LesionLensLib.catalogue import find_card, list_cards
from LesionLensLib.errors import Cancelled, LesionLensError
from LesionLensLib.model_card import ModelCard
from LesionLensLib.panel.ChannelRows import COLORS, ChannelRows
from LesionLensLib.panel.DicomObjects import OBJECTS_FOLDER
from LesionLensLib.panel.HowMade import HowMade
from LesionLensLib.panel.InputChecks import imageFindings, suggestedRole
from LesionLensLib.panel.Installation import askAndInstall, isUnfinished, missingPackages
from LesionLensLib.panel.ModelAbout import ModelAbout

EVIDENCE = {
    "real-data": _("Trained on real images."),
    "simulated": _("Trained on simulated images only."),
    "untrained": _("Untrained: for demonstration only, its results mean nothing."),
}


class PanelParts:
    """The widgets of the .ui file with what they are told to show; a subclass shows its own kind of result.

    `ownModelSetting` is where the application keeps the user's model folder, `applyToolTip` what Apply does.
    """

    ownModelSetting = ""
    applyToolTip = ""

    def __init__(self, ui: Any) -> None:
        self.ui = ui
        self.shownModel = ""
        self._cards: dict[str, ModelCard] = {}
        self._own: set[str] = set()
        self._modelProblem = ""
        self._outcome = ""
        self._warnings: list[str] = []
        self.rows = ChannelRows(ui.channelRows, self._imageFindings, self._suggestedRole)
        self.howMade = HowMade(ui.advancedCollapsibleButton)
        self.about = ModelAbout(ui.advancedCollapsibleButton)

    def whyNotOffered(self, card: ModelCard) -> str:
        """Return in a sentence why a model is none for this panel, or an empty text."""
        raise NotImplementedError

    def whyNoModel(self) -> str:
        """Return what to do where no model is listed at all."""
        return str(_("There is no such model; choose one from the list."))

    def lockedSections(self) -> tuple[Any, ...]:
        """Return the sections whose choices a run must not lose."""
        return (self.ui.inputsCollapsibleButton,)

    def showResult(self, result: Any) -> None:
        """Show a result, or with None that there is none."""
        raise NotImplementedError

    def showOpened(self) -> None:
        """Show the panel as it is before anything was done."""
        folder = str(qt.QSettings().value(self.ownModelSetting, "") or "")
        self.ui.modelFolderEdit.filters = ctk.ctkPathLineEdit.Dirs
        self.ui.modelFolderEdit.currentPath = folder
        self.fillModels(folder)
        self.clearOutcome()
        self.showInstallation()

    # Models

    def keepOwnModelFolder(self, path: str) -> None:
        """List the user's own model; the folder belongs to this computer and is therefore not kept in scenes."""
        qt.QSettings().setValue(self.ownModelSetting, path)
        self.fillModels(path)

    def fillModels(self, ownFolder: str) -> None:
        """List the shipped models and the user's own; what is wrong with a card is said below the list."""
        self._cards, self._own, self._modelProblem = {}, set(), ""
        try:
            self._cards = {card.id: card for card in list_cards() if not self.whyNotOffered(card)}
            for card in self.cardsOfOthers():
                self._listOwn(card)
            if ownFolder:
                self._listOwn(find_card(ownFolder))
        except LesionLensError as error:
            self._modelProblem = f"{error.message} {error.remedy}"
        selector = self.ui.modelSelector
        wasBlocked = selector.blockSignals(True)
        selector.clear()
        for card in self._cards.values():
            selector.addItem(card.title, card.id)
        selector.blockSignals(wasBlocked)
        self.shownModel = ""
        self._showEvidence(None)

    def _listOwn(self, card: ModelCard) -> None:
        self._modelProblem = self.whyNotOffered(card)
        if not self._modelProblem:
            self._cards[card.id] = card
            self._own.add(card.id)

    def cardsOfOthers(self) -> list[ModelCard]:
        """Return the user's own models that were named in other panels and are listed here too."""
        return []

    def imagesOf(self, card: ModelCard) -> ModelCard:
        """Return the card with the channels alone that are images to choose."""
        return card

    def card(self, modelId: str) -> ModelCard | None:
        """Return the card of a listed model, or None."""
        return self._cards.get(modelId)

    def onlyModel(self) -> str:
        """Return the id of the only listed model, or an empty text."""
        return next(iter(self._cards)) if len(self._cards) == 1 else ""

    def modelArgument(self, card: ModelCard) -> str:
        """Return how a job names the model: the id of a shipped one, the folder of the user's own."""
        return str(card.folder) if card.id in self._own else card.id

    def selectModel(self, modelId: str) -> ModelCard | None:
        """Show a model, what it was trained on and its rows; returns its card, or None if it is not listed."""
        card = self.card(modelId)
        selector = self.ui.modelSelector
        wasBlocked = selector.blockSignals(True)
        selector.setCurrentIndex(selector.findData(modelId))
        selector.blockSignals(wasBlocked)
        self.shownModel = modelId
        self._showEvidence(card)
        self.rows.build(None if card is None else self.imagesOf(card))
        return card

    def offerBrainMask(self, card: ModelCard | None) -> None:
        """Show the row of the brain mask for models of MR images alone: others have no use for it."""
        images = () if card is None else self.imagesOf(card).channel_def
        isOfBrain = any(channel.modality == "MR" for channel in images)
        self.ui.brainMaskLabel.visible = isOfBrain
        self.ui.brainMaskSelector.visible = isOfBrain

    def _showEvidence(self, card: ModelCard | None) -> None:
        known = "" if self._cards else red(html.escape(self.whyNoModel()))
        texts = [evidenceText(card) if card is not None else known, red(html.escape(self._modelProblem))]
        self.ui.evidenceLabel.text = "<br>".join(text for text in texts if text)
        self.about.show(card)

    # Readiness

    def showReadiness(self, reason: str, isRunning: bool) -> None:
        """Enable Apply, or say why not; while work is under way it is Cancel and the choices are locked."""
        apply = self.ui.applyButton
        apply.text = _("Cancel") if isRunning else _("Apply")
        apply.enabled = isRunning or not reason
        apply.toolTip = _("Stop the work; nothing is left behind.") if isRunning else reason or self.applyToolTip
        for section in self.lockedSections():
            section.enabled = not isRunning
        self.ui.acceptSuggestionsButton.visible = len(self.rows.suggestions()) > 1
        self.ui.progressBar.visible = isRunning
        if not isRunning:
            self.ui.statusLabel.text = self._outcome or html.escape(reason or _("Ready."))

    def showInstallation(self) -> None:
        """Say whether what the networks need is installed."""
        missing, unfinished = missingPackages(), isUnfinished()
        state = _("Not proved yet: press Install to go on") if unfinished else _("Installed")
        self.ui.torchLabel.text = _("Missing: {names}").format(names=", ".join(missing)) if missing else state
        self.ui.installButton.visible = bool(missing) or unfinished

    def install(self, device: str = "auto") -> bool:
        """Install what is missing after asking, and prove it on the device; False where the user says no."""
        buttons = (self.ui.applyButton, self.ui.installButton)
        try:
            for button in buttons:  # the window stays usable meanwhile
                button.enabled = False
            agreed = askAndInstall(device)
        finally:
            for button in buttons:
                button.enabled = True
            self.showInstallation()
        if not agreed:
            self._outcome = html.escape(_("Nothing was installed, so the work cannot start."))
        return agreed

    # A run

    def showStart(self) -> None:
        """Clear what the last run left in the panel."""
        self._outcome, self._warnings = "", []
        self.showResult(None)
        self.ui.logEdit.setPlainText("")
        self.ui.deviceLabel.visible = False
        self.showProgress(0.0, _("Writing the images for the program"))

    def showProgress(self, fraction: float, text: str) -> None:
        """Move the bar and say what is being done."""
        self.ui.progressBar.value = round(100 * min(max(fraction, 0.0), 1.0))
        self.ui.statusLabel.text = html.escape(sentence(text))
        self._log(f"{100 * fraction:5.1f} %  {text}")

    def showDevice(self, name: str, reason: str) -> None:
        """Say in red that the work runs on the CPU and why; a graphics card needs no words."""
        why = reason.split(";")[0]  # the rest says which arithmetic is used: for the tool tip and the report
        self.ui.deviceLabel.text = red(html.escape(_("Runs on the CPU: {reason}.").format(reason=why)))
        self.ui.deviceLabel.toolTip = sentence(reason)
        self.ui.deviceLabel.visible = name == "cpu"

    def showWarning(self, text: str) -> None:
        """Show what the user should know although the work goes on."""
        if text not in self._warnings:
            self._warnings.append(text)
            self._log(f"warning: {text}")
        lines = "<br>".join(html.escape(line) for line in self._warnings)
        self.ui.findingsLabel.text = f'<font color="{COLORS["warning"]}">{lines}</font>'
        self.ui.findingsLabel.visible = True

    def tellDone(self, report: dict[str, Any]) -> None:
        """Say that the work ended well and how long it took."""
        seconds = sum(report["timing"].values())
        self._outcome = html.escape(_("Done in {seconds:.0f} s.").format(seconds=seconds))
        if any(output["path"].startswith(f"{OBJECTS_FOLDER}/") for output in report["outputs"]):
            self._outcome += " " + html.escape(_("The results are in the DICOM database too."))

    def forgetWarnings(self) -> None:
        """Clear the line of warnings."""
        self._warnings = []
        self.showNoWarnings()

    def showNoWarnings(self) -> None:
        """Hide the line of warnings unless there are some."""
        self.ui.findingsLabel.visible = bool(self._warnings)

    def showError(self, error: Exception, log: str) -> None:
        """Say what went wrong and what to do about it; the log gets the detail too."""
        if isinstance(error, Cancelled):
            self._outcome = html.escape(str(error))
        elif isinstance(error, LesionLensError):
            self._outcome = red(html.escape(f"{error.message} {error.remedy}"))
            self._log("\n".join(part for part in (error.message, error.remedy, error.detail, log) if part))
        else:
            self._outcome = red(html.escape(_("The result could not be shown: {error}").format(error=error)))
            logging.error("LesionLens: %s", error, exc_info=error)

    def clearOutcome(self) -> None:
        """Forget how the last run ended."""
        self._outcome, self._warnings = "", []
        self.ui.deviceLabel.visible = False
        self.showResult(None)

    def _log(self, text: str) -> None:
        self.ui.logEdit.appendPlainText(text)

    def _imageFindings(self, role: str, nodes: dict[str, Any]) -> tuple[Any, ...]:
        return imageFindings(role, nodes, self.imagesOf(self._cards[self.shownModel]))

    def _suggestedRole(self, node: Any) -> str | None:
        role: str | None = suggestedRole(node, self.imagesOf(self._cards[self.shownModel]))
        return role


def evidenceText(card: ModelCard) -> str:
    """Return what every user must know of a model, in a few words."""
    parts = [EVIDENCE[card.evidence], card.data_source, _("Research use only, not a medical device.")]
    text = html.escape(" ".join(f"{part.rstrip('.')}." for part in parts if part))
    if card.outcome is None or card.evidence != "simulated":
        return text
    return red(html.escape(sentence(_("demonstration weights, simulated outcome"))) + ".") + " " + text


def sentence(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def red(markup: str) -> str:
    """Return rich text in red; the application's style stays as it is."""
    return f'<font color="red">{markup}</font>' if markup else ""
