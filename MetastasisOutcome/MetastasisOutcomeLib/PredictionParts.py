"""What the panel of MetastasisOutcome shows beyond what every panel does."""

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LesionLensLib.model_card import ModelCard
from LesionLensLib.panel.PanelParts import PanelParts
from MetastasisOutcomeLib.LesionPlace import imageCard


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
        isOfBrain = card is not None and any(channel.modality == "MR" for channel in imageCard(card).channel_def)
        self.ui.brainMaskLabel.visible = isOfBrain
        self.ui.brainMaskSelector.visible = isOfBrain
        return card

    def showResult(self, result: Any) -> None:
        """Show a prediction, or with None that there is none."""
        for widget in (self.ui.lesionTable, self.ui.plotButton):
            widget.visible = result is not None
        self.ui.lesionTable.setRowCount(0)
        if result is None:
            self.ui.summaryLabel.text = _("No result yet.")
            self.showNoWarnings()
            return
        count = len(result.lesions)
        start = _("1 lesion.") if count == 1 else _("{count} lesions. The largest:").format(count=count)
        self.ui.summaryLabel.text = f"{start} {result.text}"
        self._fillTable(result.lesions)
        self.tellDone(result.report)

    def _fillTable(self, lesions: list) -> None:
        table = self.ui.lesionTable
        table.setRowCount(len(lesions))
        for row, lesion in enumerate(lesions):
            for column, text in enumerate(lesionTexts(lesion)):
                item = qt.QTableWidgetItem(text)
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(row, column, item)


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
    world = [0.0, 0.0, 0.0]
    result.reference.TransformPointToWorld(result.lesions[row]["center_ras"], world)
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *world, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def showPlot(chart: Any) -> None:
    """Show the chart in a layout of the application that has room for one."""
    slicer.modules.plots.logic().ShowChartInLayout(chart)
