"""The panel of LesionSegmentation: from images to lesions, and on to what the answer rests on."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from LesionLensLib.panel.Explaining import explainResult
from LesionLensLib.panel.ModulePanel import ModulePanel
from LesionLensLib.panel.Predicting import predictFrom
from LesionSegmentationLib.LesionTable import jumpToLesion
from LesionSegmentationLib.SampleCase import loadSampleCase
from LesionSegmentationLib.SegmentationParts import SegmentationParts


class SegmentationPanel(ModulePanel):
    """Asks for the images of the model, and shows the lesions that were found."""

    nodeParameters = ("brainMask", "segmentation")

    def __init__(self, parent: Any, ui: Any, logic: Any) -> None:
        super().__init__(parent, logic, SegmentationParts(ui))

    def connectOwn(self) -> None:
        """Connect the sample case and what is shown of the lesions."""
        self.ui.sampleButton.connect("clicked(bool)", self.onLoadSample)
        self.ui.lesionTable.connect("cellClicked(int,int)", self.onLesionClicked)
        self.ui.predictButton.connect("clicked(bool)", self.onPredict)
        self.ui.explainButton.connect("clicked(bool)", self.onExplain)

    def showModel(self) -> None:
        """Show the model of the parameter node and fill in what its card recommends, once."""
        node = self._parameterNode
        card = self.parts.selectModel(node.model)
        if card is not None and node.settingsOf != card.id:
            with slicer.util.NodeModify(node):
                node.settingsOf = card.id
                node.threshold = card.threshold
                node.minVolumeMl = card.min_volume_ml

    def whyNotReady(self) -> str:
        """Return in one sentence why the work cannot start, or an empty text; it becomes Apply's tool tip."""
        card = self.parts.card(self._parameterNode.model) if self._parameterNode else None
        if card is None:
            return self.parts.whyNoModel()
        return self.logic.whyNotReady(self.parts.rows.nodes(), card, self._parameterNode.brainMask)

    def startWork(self, callbacks: dict) -> None:
        """Let the logic segment."""
        node = self._parameterNode
        card = self.parts.card(node.model)
        self.logic.start(
            self.parts.rows.nodes(),
            model=self.parts.modelArgument(card),
            segmentation=node.segmentation,
            **callbacks,
            brainMask=node.brainMask,
            registerChannels=node.registerChannels,
            dicom=node.dicomObjects,
            threshold=None if node.threshold == card.threshold else node.threshold,
            minVolumeMl=None if node.minVolumeMl == card.min_volume_ml else node.minVolumeMl,
            device=node.device.value,
        )

    def onFinished(self, result: Any) -> None:
        """Show what was found; the next run writes into the same segmentation."""
        if self._parameterNode:
            self._parameterNode.segmentation = result.segmentation
        super().onFinished(result)

    def onLoadSample(self) -> None:
        """Put the simulated head into the scene and choose its images."""
        with slicer.util.tryWithErrorDisplay(_("The sample case could not be made."), waitCursor=True):
            self.parts.rows.choose(loadSampleCase())

    def onLesionClicked(self, row: int, column: int) -> None:
        """Move the slice views to the lesion."""
        if self._result is not None and self._result.table.GetScene() is not None:
            jumpToLesion(self._result.table, row)

    def onPredict(self) -> None:
        """Open the module that predicts, with this segmentation as the lesion."""
        if self._result is not None and self._result.reportNode.GetScene() is not None:
            predictFrom(self._result.reportNode)

    def onExplain(self) -> None:
        """Open the module that explains, with this segmentation chosen."""
        if self._result is not None and self._result.reportNode.GetScene() is not None:
            explainResult(self._result.reportNode)
