"""The panel of MetastasisOutcome: from images and a lesion to a prediction, and on to its explanation."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from LesionLensLib.panel.Explaining import explainResult
from LesionLensLib.panel.LesionSelector import LesionSelector
from LesionLensLib.panel.ModulePanel import ModulePanel
from LesionLensLib.panel.Predicting import fittingCard, outcomeCards
from LesionLensLib.panel.RecordText import rolesOf
from LesionLensLib.scene.provenance import made_from, outlines_of
from MetastasisOutcomeLib.PredictionParts import PredictionParts, jumpToLesion, showPlot
from MetastasisOutcomeLib.SampleCase import loadSampleCase


class PredictionPanel(ModulePanel):
    """Asks for the images of the model and for the lesion, and shows the prediction of each lesion."""

    nodeParameters = ("lesion", "brainMask")

    def __init__(self, parent: Any, ui: Any, logic: Any) -> None:
        super().__init__(parent, logic, PredictionParts(ui))
        self.lesionSelector = LesionSelector(ui.lesionPartSelector, self._refresh)

    def connectOwn(self) -> None:
        """Connect the sample case and what is shown of a prediction."""
        self.ui.sampleButton.connect("clicked(bool)", self.onLoadSample)
        self.ui.lesionTable.connect("cellClicked(int,int)", self.onLesionClicked)
        self.ui.plotButton.connect("clicked(bool)", self.onShowPlot)
        self.ui.explainButton.connect("clicked(bool)", self.onExplain)

    def followOwn(self, parameterNode: Any) -> None:
        """Let the parts of the lesion follow."""
        self.lesionSelector.setParameterNode(parameterNode)

    def predict(self, reportNode: Any) -> None:
        """Choose the images and the lesions of a segmentation by its report node, and the model that fits them."""
        self.initializeParameterNode()
        card = fittingCard(made_from(reportNode, rolesOf(reportNode)).images, outcomeCards())
        if card is None:
            return
        self._parameterNode.model = card.id
        self.showModel()
        made = made_from(reportNode, self.parts.rows.rows)
        with slicer.util.NodeModify(self._parameterNode):
            self._parameterNode.lesion = outlines_of(reportNode)
            self._parameterNode.lesionPart = ""
            self._parameterNode.brainMask = made.brain_mask
        self.parts.rows.choose(made.images)
        self.parts.howMade.show(reportNode)
        self._refresh()

    def showOwn(self) -> None:
        """Show the parts of the lesion as they are now."""
        self.lesionSelector.refresh()

    def whyNotReady(self) -> str:
        """Return in one sentence why the work cannot start, or an empty text; it becomes Apply's tool tip."""
        node = self._parameterNode
        card = self.parts.card(node.model) if node else None
        if card is None:
            return self.parts.whyNoModel()
        return self.logic.whyNotReady(self.parts.rows.nodes(), card, node.lesion, node.lesionPart, node.brainMask)

    def startWork(self, callbacks: dict) -> None:
        """Let the logic predict."""
        node = self._parameterNode
        self.logic.start(
            self.parts.rows.nodes(),
            model=self.parts.modelArgument(self.parts.card(node.model)),
            lesion=node.lesion,
            lesionPart=node.lesionPart,
            **callbacks,
            brainMask=node.brainMask,
            registerChannels=node.registerChannels,
            dicom=node.dicomObjects,
            device=node.device.value,
        )

    def onLoadSample(self) -> None:
        """Put the simulated thigh into the scene and choose its images and its tumour."""
        with slicer.util.tryWithErrorDisplay(_("The sample case could not be made."), waitCursor=True):
            nodes, self._parameterNode.lesion = loadSampleCase()
            self.parts.rows.choose(nodes)

    def onLesionClicked(self, row: int, column: int) -> None:
        """Move the slice views to the lesion."""
        if self._result is not None and self._result.reference.GetScene() is not None:
            jumpToLesion(self._result, row)

    def onShowPlot(self) -> None:
        """Show the risk as a chart beside the images."""
        if self._result is not None and self._result.chart.GetScene() is not None:
            showPlot(self._result.chart)

    def onExplain(self) -> None:
        """Open the module that explains, with this prediction chosen."""
        if self._result is not None and self._result.reportNode.GetScene() is not None:
            explainResult(self._result.reportNode)
