"""The panel of AttentionExplain: from a finished result, or from images chosen by hand, to its explanation."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from AttentionExplainLib.Choices import DEVICES, METHODS, OCCLUSION, SURFACES, surfaceOf
from AttentionExplainLib.ChosenResult import ChosenResult, whyNotListed
from AttentionExplainLib.ExplanationParts import ExplanationParts
from AttentionExplainLib.TargetChoice import TargetChoice
from AttentionExplainLib.TimeEstimate import estimate, remember
from LesionLensLib.panel.ChoiceList import ChoiceList
from LesionLensLib.panel.LesionSelector import LesionSelector
from LesionLensLib.panel.ModulePanel import ModulePanel
from LesionLensLib.panel.Tables import columnValues
from LesionLensLib.scene.impact import show_impact
from LesionLensLib.scene.layout import show_point
from LesionLensLib.scene.provenance import EXPLAINABLE


class ExplanationPanel(ModulePanel):
    """A chosen result fills in model, images, lesion and device once; all of them can be changed by hand after."""

    nodeParameters = ("result", "lesion", "brainMask", "regions")

    def __init__(self, parent: Any, ui: Any, logic: Any) -> None:
        super().__init__(parent, logic, ExplanationParts(ui))
        self._lists = [
            ChoiceList(ui.methodSelector, "method", METHODS),
            ChoiceList(ui.surfaceSelector, "surface", SURFACES),
            ChoiceList(ui.deviceSelector, "device", DEVICES),
        ]
        self.targetChoice = TargetChoice(ui.targetSelector)
        self.lesionSelector = LesionSelector(ui.lesionPartSelector, self._refresh)
        self._asked: dict = {}
        self._isJustFilled = False

    def connectOwn(self) -> None:
        """Connect the selector of results and what is shown of an explanation."""
        self.ui.resultSelector.addAttribute("vtkMRMLTextNode", EXPLAINABLE, "1")
        self.ui.peakButton.connect("clicked(bool)", self.onShowPeak)
        self.ui.chartButton.connect("clicked(bool)", self.onShowChart)
        self.ui.regionTable.connect("cellClicked(int,int)", self.onRegionClicked)
        self.ui.mapSelector.connect("currentIndexChanged(int)", self.onMapChanged)
        self.ui.opacitySlider.connect("valueChanged(double)", self.onMapChanged)

    def followOwn(self, parameterNode: Any) -> None:
        """Let the lists and the parts of the lesion follow."""
        for choices in self._lists:
            choices.setParameterNode(parameterNode)
        self.targetChoice.setParameterNode(parameterNode)
        self.lesionSelector.setParameterNode(parameterNode)

    def initializeParameterNode(self) -> None:
        """List the own models that another panel has come to know, before a result of one is chosen."""
        self.parts.listAgain()
        super().initializeParameterNode()

    def explain(self, reportNode: Any) -> None:
        """Choose the result of a report node, as if for the first time."""
        self.initializeParameterNode()
        with slicer.util.NodeModify(self._parameterNode):
            self._parameterNode.filledFrom = ""
            self._parameterNode.result = reportNode
        self._refresh()

    def _refresh(self, caller: Any = None, event: Any = None) -> None:
        if self._parameterNode is not None:
            self._fillFromResult()
        super()._refresh()

    def _fillFromResult(self) -> None:
        node = self._parameterNode
        resultId = node.result.GetID() if node.result is not None else ""
        if resultId == node.filledFrom or self.logic.isRunning:
            return
        chosen = ChosenResult.read(node.result) if resultId else None
        with slicer.util.NodeModify(node):
            node.filledFrom = resultId
            if chosen is not None:
                chosen.fillIn(node, self.parts.card(chosen.model))
                self.parts.howMade.show(node.result)
        self._isJustFilled = chosen is not None

    def showOwn(self) -> None:
        """Show the settings of the chosen method, the parts of the lesion, and what is wrong with the chosen result."""
        node = self._parameterNode
        for choices in self._lists:
            choices.refresh()
        self.lesionSelector.refresh()
        card = self.parts.card(node.model)
        self.targetChoice.show(card)
        channels = len(self.parts.imagesOf(card).roles) if card is not None else 1
        self.parts.showSettings(node.method, node.surface, estimate(node.model, self._askedNow(), channels))
        self.parts.showChosen(self._whyResultUnusable())
        if self._isJustFilled:  # what was found need not be seen
            self._isJustFilled = False
            self.ui.imagesCollapsibleButton.collapsed = not self.whyNotReady()

    def whyNotReady(self) -> str:
        """Return in one sentence why the work cannot start, or an empty text; it becomes Apply's tool tip."""
        node = self._parameterNode
        card = self.parts.card(node.model) if node else None
        if card is None:
            return self._whyResultUnusable() or self.parts.whyNoModel()
        images = self.parts.rows.nodes()
        return self.logic.whyNotReady(images, card, node.lesion, node.lesionPart, node.brainMask, node.regions)

    def _whyResultUnusable(self) -> str:
        node = self._parameterNode
        if node is None or node.result is None:
            return ""
        chosen = ChosenResult.read(node.result)
        if chosen is None:
            told = _("{name} holds no report of LesionLens any more; choose model and images below.")
            return told.format(name=node.result.GetName())
        return whyNotListed(chosen.model) if self.parts.card(chosen.model) is None else ""

    def _askedNow(self) -> dict:
        """Return what decides how long the work takes."""
        node = self._parameterNode
        isOcclusion = node.method == OCCLUSION
        return {
            "method": node.method,
            "device": node.device,
            "sizeMm": node.sizeMm if isOcclusion else 0.0,
            "strideMm": node.strideMm if isOcclusion else 0.0,
            "perChannel": node.perChannel and isOcclusion,
            "checks": node.checks,
        }

    def startWork(self, callbacks: dict) -> None:
        """Let the logic explain what is chosen; a length of 0 leaves it to the method."""
        node, self._asked = self._parameterNode, self._askedNow()
        self.logic.start(
            self.parts.rows.nodes(),
            model=self.parts.modelArgument(self.parts.card(node.model)),
            method=node.method,
            target=self.targetChoice.chosen(self.parts.card(node.model)),
            lesion=node.lesion,
            lesionPart=node.lesionPart,
            **callbacks,
            sizeMm=self._asked["sizeMm"] or None,
            strideMm=self._asked["strideMm"] or None,
            perChannel=self._asked["perChannel"],
            checks=node.checks,
            surface=surfaceOf(node.surface, node.surfaceMm),
            regions=node.regions,
            brainMask=node.brainMask,
            registerChannels=node.registerChannels,
            dicom=node.dicomObjects,
            device=node.device,
        )

    def onOwnModelFolder(self, path: str) -> None:
        """The user named a folder; the chosen result may have been waiting for its model."""
        wasMissing = bool(self._whyResultUnusable())
        super().onOwnModelFolder(path)
        if wasMissing and not self._whyResultUnusable():
            self.explain(self._parameterNode.result)

    def onFinished(self, result: Any) -> None:
        """Keep how long it took, and show the map as strongly as the slider says."""
        remember(result.report["model"]["id"], self._asked, result.report)
        super().onFinished(result)
        self.onMapChanged()

    def onMapChanged(self) -> None:
        """Lay the chosen map over the slices, as strongly as the slider says."""
        if self._result is None:
            return
        node = slicer.mrmlScene.GetNodeByID(self.ui.mapSelector.currentData or "")
        if node is not None:  # the user may have removed it
            for other in self._result.maps:
                if other is not node and other.GetScene() is not None:
                    show_impact(other, 0.0)
            show_impact(node, self.ui.opacitySlider.value)

    def onShowPeak(self) -> None:
        """Move the slice views to the peak of the map."""
        if self._result is not None and self._result.reference.GetScene() is not None:
            show_point(self._result.reference, self._result.peak["ras"])

    def onShowChart(self) -> None:
        """Show how far left and right differ as a chart beside the images."""
        chart = None if self._result is None else self._result.chart
        if chart is not None:
            slicer.modules.plots.logic().ShowChartInLayout(chart)

    def onRegionClicked(self, row: int, column: int) -> None:
        """Move the slice views to the peak of a region."""
        result = self._result
        if result is not None and result.regions.GetScene() is not None and result.reference.GetScene() is not None:
            show_point(result.reference, [columnValues(result.regions, f"peak_{axis}")[row] for axis in "ras"])
