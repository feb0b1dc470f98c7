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

DOCS = "https://github.com/LesionLens/SlicerLesionLens/blob/main/docs"


class LesionSegmentation(ScriptedLoadableModule):
    """What the application shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Lesion Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The LesionLens maintainers (LesionLens)"]
        self.parent.helpText = _(
            "<p>Finds lesions in multi-contrast images with an attention network. For research use only, not a medical "
            "device.</p><p>In two minutes:</p><ol>"
            "<li>Press <i>Load sample case</i>: three images of a simulated head are made and chosen. With your own "
            "images click the suggestion in each row, or choose the image yourself.</li>"
            "<li>Read what the model was trained on, below its name and under <i>About this model</i>.</li>"
            "<li>Press <i>Apply</i>; it becomes <i>Cancel</i>, and the window stays usable.</li>"
            "<li>Click a lesion in the table to see it in the slices.</li>"
            "<li>Press <i>Explain this</i> to see what the answer rests on.</li></ol>"
            '<p><a href="{tutorial}">Tutorial with pictures</a>, <a href="{console}">console and batch</a>, '
            '<a href="{trouble}">what a message means</a>.</p>'
        ).format(tutorial=f"{DOCS}/tutorial.md", console=f"{DOCS}/console.md", trouble=f"{DOCS}/troubleshooting.md")
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

    icons = Path(__file__).parent / "Resources" / "Icons"
    registerSampleData(icons, lambda: LesionSegmentationLogic().getParameterNode())
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
    dicomObjects: bool = False


class LesionSegmentationWidget(ScriptedLoadableModuleWidget):
    """What the application calls; everything else is in `panel`."""

    def __init__(self, parent=None) -> None:
        self.panel: Any = None  # before the base class, which calls `setup` itself where it is given no parent
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel from the .ui file and connect it."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/LesionSegmentation.ui"))
        self.layout.addWidget(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        logic = LesionSegmentationLogic()
        from LesionSegmentationLib.SegmentationPanel import SegmentationPanel

        self.panel = SegmentationPanel(self.parent, slicer.util.childWidgetVariables(uiWidget), logic)
        self.panel.open()

    def cleanup(self) -> None:
        """Stop the work and let go of the scene: the application closes, or the module is reloaded."""
        if self.panel is not None:  # else `setup` has failed
            self.panel.close()

    def enter(self) -> None:
        """Show the parameter node of the scene as it is now."""
        self.panel.enter()

    def exit(self) -> None:
        """Do not follow the parameter node while another module is shown; a run goes on."""
        self.panel.exit()

    def onReload(self) -> None:
        """Read the files of our libraries again too."""
        if self.panel is not None:  # a reload must also help where `setup` has failed
            self.panel.logic.cancel(_("Stopped, because the module was reloaded."))
        forgetLibrary()
        ScriptedLoadableModuleWidget.onReload(self)


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
        device, seed, lean, quickEstimate, dicom (also put DICOM objects into the database); None takes what the model
        card recommends. The numbers are those of the command line.
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
