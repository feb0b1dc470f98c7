"""What the panel of LesionSegmentation shows beyond what every panel does."""

from typing import Any

from slicer.i18n import tr as _

from LesionLensLib.model_card import ModelCard
from LesionLensLib.panel.PanelParts import PanelParts
from LesionLensLib.panel.Predicting import PredictButton
from LesionSegmentationLib.LesionTable import showLesions


class SegmentationParts(PanelParts):
    """Lists the models that only segment, and shows the lesions that were found."""

    ownModelSetting = "LesionLens/OwnModelFolder"
    applyToolTip = _("Find the lesions.")

    def __init__(self, ui: Any) -> None:
        super().__init__(ui)
        self.predictButton = PredictButton(ui.predictButton, ui.predictLabel)

    def whyNotOffered(self, card: ModelCard) -> str:
        """Models of outcomes have a panel of their own, and those of loads outline nothing."""
        if card.regression is not None:
            return _("{name} measures, but outlines nothing.").format(name=card.title)
        if card.outcome is None:
            return ""
        return _("{name} predicts an outcome; it belongs into the module Metastasis Outcome.").format(name=card.title)

    def lockedSections(self) -> tuple:
        """Inputs and outputs."""
        return (self.ui.inputsCollapsibleButton, self.ui.outputsCollapsibleButton)

    def showResult(self, result: Any) -> None:
        """Show the lesions of a result, or with None that there is none."""
        showLesions(self.ui.lesionTable, result.table if result else None)
        for widget in (self.ui.lesionTable, self.ui.explainButton):
            widget.visible = result is not None
        self.predictButton.show([one["role"] for one in result.report["inputs"]] if result else None)
        estimate = result.report["result"].get("quick_estimate") if result else None
        self.ui.estimateLabel.text = estimate["text"] if estimate else ""
        self.ui.estimateLabel.visible = estimate is not None
        if result is None:
            self.ui.summaryLabel.text = _("No result yet.")
            self.showNoWarnings()
            return
        found = result.report["result"]
        one = found["lesion_count"] == 1
        text = _("1 lesion, {volume:.2f} ml.") if one else _("{count} lesions, {volume:.2f} ml in all.")
        self.ui.summaryLabel.text = text.format(count=found["lesion_count"], volume=found["lesion_volume_ml"])
        self.tellDone(result.report)
