"""What the panel of AttentionExplain shows beyond what every panel does."""

import contextlib
import html
from typing import Any

import qt
from slicer.i18n import tr as _

from AttentionExplainLib.Choices import BEYOND, OCCLUSION
from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import LesionLensError
from LesionLensLib.model_card import ModelCard
from LesionLensLib.panel.LesionPlace import imageCard
from LesionLensLib.panel.PanelParts import PanelParts, red
from LesionLensLib.panel.Tables import columnValues, fillTable

# Where the panels that segment and predict keep the folder of an own model: their results are explained here.
OTHERS_SETTINGS = ("LesionLens/OwnModelFolder", "LesionLens/OwnOutcomeModelFolder")
REGION_COLUMNS = (("volume_ml", "{:.2f}"), ("mean", "{:.2g}"), ("share", "{:.0%}"))


class ExplanationParts(PanelParts):
    """Lists the models that can be explained, and shows what an answer rests on."""

    ownModelSetting = "LesionLens/OwnExplainedModelFolder"
    applyToolTip = _("Explain the answer.")

    def __init__(self, ui: Any) -> None:
        super().__init__(ui)
        self._foldersOfOthers: tuple = ()
        header = ui.regionTable.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)  # names of regions are long

    def whyNotOffered(self, card: ModelCard) -> str:
        """The program explains segmentations, outcomes and measured numbers."""
        return ""

    def cardsOfOthers(self) -> list[ModelCard]:
        """Return the own models of the panels whose results are explained; what is wrong with one is said there."""
        self._foldersOfOthers = foldersOfOthers()
        cards = []
        for folder in self._foldersOfOthers:
            with contextlib.suppress(LesionLensError):
                cards.append(find_card(folder))
        return cards

    def listAgain(self) -> None:
        """List the models anew where another panel has come to know one since; none is shown then."""
        if foldersOfOthers() != self._foldersOfOthers:
            self.fillModels(self.ui.modelFolderEdit.currentPath)
            self.selectModel("")  # rows of a model that is not shown would ask what their images look like

    def imagesOf(self, card: ModelCard) -> ModelCard:
        """The lesion has a row of its own."""
        return imageCard(card)

    def lockedSections(self) -> tuple:
        """What is explained, and how."""
        return (self.ui.inputsCollapsibleButton, self.ui.methodCollapsibleButton)

    def selectModel(self, modelId: str) -> ModelCard | None:
        """Offer a brain mask to models of the brain alone."""
        card = super().selectModel(modelId)
        self.offerBrainMask(card)
        return card

    def showSettings(self, method: str, surface: str, estimate: str) -> None:
        """Offer the settings of the method and of the surface, and say how long it will take."""
        for widget in (self.ui.cubeLabel, self.ui.sizeSpinBox, self.ui.strideSpinBox, self.ui.perChannelCheckBox):
            widget.visible = method == OCCLUSION
        self.ui.surfaceSpinBox.visible = surface == BEYOND
        self.ui.timeLabel.text = estimate

    def showChosen(self, problem: str) -> None:
        """Say what is wrong with the chosen result."""
        self.ui.resultLabel.text = red(html.escape(problem))
        self.ui.resultLabel.visible = bool(problem)

    def showResult(self, result: Any) -> None:
        """Show an explanation, or with None that there is none."""
        ui = self.ui
        for widget in (ui.validityLabel, ui.peakButton, ui.mapLabel, ui.mapSelector, ui.opacitySlider):
            widget.visible = result is not None
        ui.regionTable.visible = result is not None and result.regions is not None
        ui.chartButton.visible = result is not None and result.chart is not None
        ui.regionTable.setRowCount(0)
        self._fillMaps(() if result is None else result.maps)
        if result is None:
            ui.summaryLabel.text = _("No result yet.")
            self.showNoWarnings()
            return
        ui.summaryLabel.text = result.text
        ui.validityLabel.text = result.validity
        ui.peakButton.text = peakText(result.peak)
        if result.regions is not None:
            fillTable(ui.regionTable, regionRows(result.regions), texts=1)
        self.tellDone(result.report)

    def _fillMaps(self, maps: tuple) -> None:
        selector = self.ui.mapSelector
        wasBlocked = selector.blockSignals(True)
        selector.clear()
        for node in maps:
            selector.addItem(node.GetName(), node.GetID())
        selector.blockSignals(wasBlocked)


def peakText(peak: dict) -> str:
    """Return what the button says that leads to the peak."""
    where = f", {peak['region']}" if peak["region"] else ""
    return _("Show the peak: {value}{where}").format(value=f"{peak['value']:+.2g}", where=where)


def regionRows(table: Any) -> list:
    """Return the rows of the region table as text: name, volume in ml, mean, share of the map."""
    columns = [[form.format(value) for value in columnValues(table, name)] for name, form in REGION_COLUMNS]
    return list(zip(columnValues(table, "name"), *columns, strict=True))


def foldersOfOthers() -> tuple:
    """Return the folders of own models that the other panels were given."""
    told = (str(qt.QSettings().value(setting, "") or "") for setting in OTHERS_SETTINGS)
    return tuple(folder for folder in told if folder)
