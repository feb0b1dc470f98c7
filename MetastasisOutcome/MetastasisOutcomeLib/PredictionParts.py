"""What the panel of MetastasisOutcome shows beyond what every panel does."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from LesionLensLib.model_card import ModelCard
from LesionLensLib.panel.LesionPlace import imageCard
from LesionLensLib.panel.PanelParts import PanelParts
from LesionLensLib.panel.Tables import fillTable
from LesionLensLib.scene.layout import show_point


class PredictionParts(PanelParts):
    """Lists the models that predict an outcome, and shows what was predicted."""

    ownModelSetting = "LesionLens/OwnOutcomeModelFolder"
    applyToolTip = _("Predict the outcome.")

    def whyNotOffered(self, card: ModelCard) -> str:
        """Models that only segment have a panel of their own."""
        if card.outcome is not None:
            return ""
        return _("{name} predicts no outcome; it belongs into the module Lesion Segmentation.").format(name=card.title)

    def whyNoModel(self) -> str:
        """Where none is installed, say so and how to use one's own."""
        if self._cards:
            return super().whyNoModel()
        return _(
            "No model for outcomes is installed. Name a folder with a model of your own under Advanced, Own model; "
            "the command lesionlens train makes one."
        )

    def imagesOf(self, card: ModelCard) -> ModelCard:
        """The lesion has a row of its own."""
        return imageCard(card)

    def selectModel(self, modelId: str) -> ModelCard | None:
        """Offer a brain mask to models of the brain alone."""
        card = super().selectModel(modelId)
        self.offerBrainMask(card)
        return card

    def showResult(self, result: Any) -> None:
        """Show a prediction, or with None that there is none."""
        for widget in (self.ui.lesionTable, self.ui.plotButton, self.ui.explainButton):
            widget.visible = result is not None
        self.ui.lesionTable.setRowCount(0)
        if result is None:
            self.ui.summaryLabel.text = _("No result yet.")
            self.showNoWarnings()
            return
        count = len(result.lesions)
        start = _("1 lesion.") if count == 1 else _("{count} lesions. The largest:").format(count=count)
        self.ui.summaryLabel.text = f"{start} {result.text}"
        fillTable(self.ui.lesionTable, [lesionTexts(lesion) for lesion in result.lesions])
        self.tellDone(result.report)


def lesionTexts(lesion: dict) -> tuple:
    """Return number, volume in ml, probability and interval of a lesion of the report; a dash where it has none."""
    interval = lesion["interval"]
    given = lesion["given_volume_ml"]
    return (
        str(lesion["lesion"]),
        "-" if given is None else f"{given:.2f}",
        f"{lesion['probability']:.2f}",
        "-" if interval is None else f"{interval[0]:.2f} - {interval[1]:.2f}",
    )


def jumpToLesion(result: Any, row: int) -> None:
    """Centre all slice views on a lesion; the report has its place without the transform above the image."""
    show_point(result.reference, result.lesions[row]["center_ras"])


def showPlot(chart: Any) -> None:
    """Show the chart in a layout of the application that has room for one."""
    slicer.modules.plots.logic().ShowChartInLayout(chart)
