"""Lesion Segmentation: finds lesions in multi-contrast images with an attention network, in a child process."""

import enum
from pathlib import Path
from typing import Annotated, Any, Union

import slicer
from LesionSegmentationLib.LibraryPath import ensureLibrary, forgetLibrary
from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class LesionSegmentation(ScriptedLoadableModule):
    """What the application shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Lesion Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The LesionLens maintainers (LesionLens)"]
        self.parent.helpText = _(
            "Finds lesions in multi-contrast images with an attention network. For research use only, not a medical "
            'device. What each model was trained on is said in its <a href="{url}">model card</a>.'
        ).format(url="https://github.com/LesionLens/SlicerLesionLens#models")
        self.parent.acknowledgementText = _(
            "The network is RSANet: H. Zhang et al., Recurrent Slice-wise Attention Network for Multiple Sclerosis "
            "Lesion Segmentation, MICCAI 2019, written anew for LesionLens. Please cite it and the model's own card."
        )
        slicer.app.connect("startupCompleted()", onStartupCompleted)


def onStartupCompleted() -> None:
    """Offer the sample case in the module Sample Data, and our terms for segments."""
    ensureLibrary()
    from LesionSegmentationLib.SampleCase import registerSampleData

    from LesionLensLib.scene.terminology import load_terminology

    registerSampleData(Path(__file__).parent / "Resources" / "Icons")
    load_terminology()


class Device(enum.Enum):
    """Where the network runs. Scenes store the names: never rename one."""

    AUTOMATIC = "auto"
    GPU_0 = "cuda:0"
    GPU_1 = "cuda:1"
    GPU_2 = "cuda:2"
    GPU_3 = "cuda:3"
    CPU = "cpu"

    def label(self) -> str:
        """Return how the choice is called in the panel."""
        names = {Device.AUTOMATIC: _("Automatic"), Device.CPU: _("CPU")}
        return names.get(self) or _("GPU {number}").format(number=self.value.split(":")[-1])


@parameterNodeWrapper
class LesionSegmentationParameterNode:
    """What is saved with the scene; the names are a public format.

    The chosen images are node references `Channel_<role>` of the same node (see LesionLensLib.panel.ChannelRows).
    `settingsOf` is the model whose recommended threshold and smallest volume were filled in last.
    """

    model: str = "rsanet-ms"
    settingsOf: str = ""
    # Slicer's wrapper knows typing.Union and not the `|` of newer Pythons.
    brainMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    segmentation: vtkMRMLSegmentationNode
    device: Device = Device.AUTOMATIC
    threshold: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    minVolumeMl: Annotated[float, WithinRange(0.0, 100.0)] = 0.0
    registerChannels: bool = False


class LesionSegmentationWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: it shows and asks, the logic works."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: LesionSegmentationLogic | None = None
        self._parameterNode: Any = None
        self._binding: Any = None
        self._result: Any = None

    def setup(self) -> None:
        """Build the panel from the .ui file and connect it."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/LesionSegmentation.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = LesionSegmentationLogic()
        from LesionSegmentationLib.SegmentationParts import SegmentationParts

        from LesionLensLib.panel.ParameterBinding import ParameterBinding

        self.parts = SegmentationParts(self.ui)
        self._binding = ParameterBinding(self.ui, self.parts.rows, ("brainMask", "segmentation"), self._refresh)
        self.parts.showOpened()
        self._connect()
        self.initializeParameterNode()

    def _connect(self) -> None:
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        for event in (scene.EndCloseEvent, scene.EndImportEvent):  # -1: after the selectors have listed the new scene
            self.addObserver(scene, event, self.onSceneChanged, priority=-1.0)
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent):
            self.addObserver(scene, event, self.onNodesChanged)
        self.ui.modelSelector.connect("currentIndexChanged(int)", self.onModelSelected)
        self.ui.sampleButton.connect("clicked(bool)", self.onLoadSample)
        self.ui.acceptSuggestionsButton.connect("clicked(bool)", self.parts.rows.acceptSuggestions)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyOrCancel)
        self.ui.lesionTable.connect("cellClicked(int,int)", self.onLesionClicked)
        self.ui.installButton.connect("clicked(bool)", self.onInstall)
        self.ui.modelFolderEdit.connect("currentPathChanged(QString)", self.onOwnModelFolder)
        # CTK finds an emptied field not valid and tells no new path.
        self.ui.modelFolderEdit.connect("validInputChanged(bool)", lambda valid: valid or self.onOwnModelFolder(""))

    def cleanup(self) -> None:
        """Stop the work and let go of the scene: the application closes, or the module is reloaded."""
        if self.logic is not None:  # else `setup` has failed
            self.logic.cancel(_("Stopped, because the module was closed."))
            self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        """Show the parameter node of the scene as it is now."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Do not follow the parameter node while another module is shown; a run goes on."""
        self._binding.release()

    def onReload(self) -> None:
        """Read the files of our libraries again too."""
        if self.logic is not None:  # a reload must also help where `setup` has failed
            self.logic.cancel(_("Stopped, because the module was reloaded."))
        forgetLibrary()
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event) -> None:
        """The parameter node is about to be reset."""
        self.setParameterNode(None)
        self._result = None
        self.parts.showResult(None)

    def onSceneStartImport(self, caller, event) -> None:
        """The parameter node may come with the scene, and the selectors lose what they show."""
        self.setParameterNode(None)

    def onSceneChanged(self, caller, event) -> None:
        """Show the parameter node of the scene as it is now at once if the panel is shown."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onNodesChanged(self, caller, event) -> None:
        """Suggestions depend on the volumes in the scene, and so does whether the work can start."""
        if not slicer.mrmlScene.IsBatchProcessing() and not slicer.mrmlScene.IsClosing():
            self._refresh()

    def initializeParameterNode(self) -> None:
        """Make sure that a parameter node exists and is shown."""
        self.setParameterNode(self._parameterNode or self.logic.getParameterNode())

    def setParameterNode(self, parameterNode: LesionSegmentationParameterNode | None) -> None:
        """Show and follow another parameter node; None while the scene is being closed."""
        self._parameterNode = parameterNode
        self._binding.bind(parameterNode)
        if parameterNode:
            self._showModel()
            self._refresh()

    def _showModel(self) -> None:
        """Show the model of the parameter node and fill in what its card recommends, once."""
        card = self.parts.selectModel(self._parameterNode.model)
        if card is not None and self._parameterNode.settingsOf != card.id:
            with slicer.util.NodeModify(self._parameterNode):
                self._parameterNode.settingsOf = card.id
                self._parameterNode.threshold = card.threshold
                self._parameterNode.minVolumeMl = card.min_volume_ml

    def _refresh(self, caller=None, event=None) -> None:
        if self._parameterNode is None:
            return
        if self._parameterNode.model != self.parts.shownModel:
            self._showModel()
        self.parts.rows.refresh()
        self.parts.showReadiness(self.whyNotReady(), self.logic.isRunning)

    def whyNotReady(self) -> str:
        """Return in one sentence why the work cannot start, or an empty text; it becomes Apply's tool tip."""
        card = self.parts.card(self._parameterNode.model) if self._parameterNode else None
        if card is None:
            return self.parts.whyNoModel()
        return self.logic.whyNotReady(self.parts.rows.nodes(), card, self._parameterNode.brainMask)

    def onModelSelected(self, index: int) -> None:
        """The user chose another model."""
        if self._parameterNode and index >= 0:
            self._parameterNode.model = self.ui.modelSelector.itemData(index)

    def onLoadSample(self) -> None:
        """Put the simulated head into the scene and choose its images."""
        with slicer.util.tryWithErrorDisplay(_("The sample case could not be made."), waitCursor=True):
            from LesionSegmentationLib.SampleCase import loadSampleCase

            self.parts.rows.choose(loadSampleCase())

    def onApplyOrCancel(self) -> None:
        """Start the work, or stop it."""
        if self.logic.isRunning:
            self.logic.cancel(_("Cancelled. Nothing was left behind."))
            return
        from LesionLensLib.errors import LesionLensError

        try:
            if self.parts.install():
                self._start()
            self._refresh()
        except LesionLensError as error:
            self.onFailed(error)

    def _start(self) -> None:
        node = self._parameterNode
        card = self.parts.card(node.model)
        self._result = None
        self.parts.showStart()
        self.logic.start(
            self.parts.rows.nodes(),
            model=self.parts.modelArgument(card),
            segmentation=node.segmentation,
            progress=self.parts.showProgress,
            warning=self.parts.showWarning,
            deviceChosen=self.parts.showDevice,
            finished=self.onFinished,
            failed=self.onFailed,
            brainMask=node.brainMask,
            registerChannels=node.registerChannels,
            threshold=None if node.threshold == card.threshold else node.threshold,
            minVolumeMl=None if node.minVolumeMl == card.min_volume_ml else node.minVolumeMl,
            device=node.device.value,
        )

    def onFinished(self, result) -> None:
        """Show what was found."""
        self._result = result
        if self._parameterNode:
            self._parameterNode.segmentation = result.segmentation
        self.parts.showResult(result)
        self._refresh()

    def onFailed(self, error: Exception) -> None:
        """Say what went wrong and what to do; the log has the detail."""
        self.parts.showError(error, self.logic.log)
        self._refresh()

    def onLesionClicked(self, row: int, column: int) -> None:
        """Move the slice views to the lesion."""
        from LesionSegmentationLib.LesionTable import jumpToLesion

        if self._result is not None and self._result.table.GetScene() is not None:
            jumpToLesion(self._result.table, row)

    def onInstall(self) -> None:
        """Install what the networks need."""
        from LesionLensLib.errors import LesionLensError

        try:
            self.parts.install()
            self._refresh()
        except LesionLensError as error:
            self.onFailed(error)

    def onOwnModelFolder(self, path: str) -> None:
        """The user named a folder with a model of their own."""
        self.parts.keepOwnModelFolder(path)
        if self._parameterNode:
            self._showModel()
            self._refresh()


class LesionSegmentationLogic(ScriptedLoadableModuleLogic):
    """Nodes in, nodes out; needs no widget and no main window."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        ensureLibrary()
        self.program: list | None = None  # the command that does the work; None is this library's own
        from LesionLensLib.panel.PanelRun import RunSlot

        self._slot = RunSlot()

    def getParameterNode(self):
        """Return the typed parameter node."""
        return LesionSegmentationParameterNode(super().getParameterNode())

    @property
    def isRunning(self) -> bool:
        """Whether work started by `start` is under way."""
        return self._slot.isRunning

    @property
    def log(self) -> str:
        """What the last run's program wrote."""
        return self._slot.log

    def whyNotReady(self, inputs: dict, card, brainMask=None) -> str:
        """Return in one sentence why these nodes cannot be segmented by the model of `card`, or an empty text."""
        from LesionLensLib.panel.InputChecks import whyNotReady

        return whyNotReady(inputs, card, brainMask)

    def process(self, inputs: dict, model: str = "rsanet-ms", segmentation=None, **settings):
        """Segment and return a `Result` (segmentation, probability, table, report, reportNode, warnings); blocks.

        `inputs` are volume nodes by role, `model` an id or the path of a model folder, `segmentation` the node that
        receives the lesions (None makes one). Settings: brainMask (node), registerChannels, threshold, minVolumeMl,
        device, seed, lean; None takes what the model card recommends. The numbers are those of the command line.
        Raises `UserError`, `EnvironmentFault` or `InternalFault` with a message and a remedy.
        """
        run = self._newRun(inputs, model, segmentation, settings)
        run.start()
        return run.wait()

    def start(
        self, inputs: dict, model: str = "rsanet-ms", segmentation=None, progress=None, finished=None, failed=None,
        warning=None, deviceChosen=None, **settings,
    ) -> None:  # fmt: skip
        """Start the same work and return at once; callbacks come on the main thread while the event loop runs.

        `progress(fraction, text)`, `warning(text)`, `deviceChosen(name, reason)`; then once `finished(result)` or
        `failed(error)`, where a `Cancelled` error says that the work was stopped. Raises as `process` where it cannot
        even start.
        """
        self._slot.refuseSecond()
        callbacks = {"progress": progress, "warning": warning, "deviceChosen": deviceChosen}
        callbacks |= {"finished": finished, "failed": failed}
        self._slot.start(self._newRun(inputs, model, segmentation, settings, callbacks))

    def cancel(self, reason: str = "") -> None:
        """Stop what `start` started: its process and all it left are gone when this returns."""
        self._slot.cancel(reason)

    def _newRun(self, inputs: dict, model: str, segmentation, settings: dict, callbacks: dict | None = None):
        from LesionSegmentationLib.SegmentationRun import RunSettings, SegmentationRun

        from LesionLensLib.panel.PanelRun import listenerOf

        listener = listenerOf(**(callbacks or {}))
        return SegmentationRun(inputs, model, segmentation, RunSettings(**settings), listener, self.program)


class LesionSegmentationTest(ScriptedLoadableModuleTest):
    """Runs in the application with no main window: from the sample case to the lesions in the scene."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_sampleCaseGivesLesionsOfAboutTheTrueVolume()

    def test_sampleCaseGivesLesionsOfAboutTheTrueVolume(self) -> None:
        """The volume found in the simulated head lies within a factor of two of what was put in."""
        ensureLibrary()
        from LesionSegmentationLib.SampleCase import addHead

        from LesionLensLib.panel.Installation import missingPackages
        from LesionLensLib.phantom import make_head_phantom

        if missingPackages():
            self.skipTest(f"not installed: {', '.join(missingPackages())}")
        head = make_head_phantom()
        result = LesionSegmentationLogic().process(addHead(head))
        trueVolumeMl = float(head.lesion.array.sum()) * head.lesion.grid.voxel_ml
        foundVolumeMl = result.report["result"]["lesion_volume_ml"]
        self.assertGreater(result.segmentation.GetSegmentation().GetNumberOfSegments(), 0)
        self.assertGreater(result.table.GetNumberOfRows(), 0)
        self.assertGreater(foundVolumeMl, trueVolumeMl / 2)
        self.assertLess(foundVolumeMl, trueVolumeMl * 2)
