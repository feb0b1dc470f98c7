"""Metastasis Outcome: the probability that a tumour spreads or comes back, from images, in a child process."""

from pathlib import Path
from typing import Any, Union

import slicer
from MetastasisOutcomeLib.Device import Device
from MetastasisOutcomeLib.LibraryPath import ensureLibrary, forgetLibrary
from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLMarkupsFiducialNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

DOCS = "https://github.com/LesionLens/SlicerLesionLens/blob/main/docs"


class MetastasisOutcome(ScriptedLoadableModule):
    """What the application shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Metastasis Outcome")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = []
        self.parent.contributors = ["The LesionLens maintainers (LesionLens)"]
        self.parent.helpText = _(
            "<p>Gives the probability that a tumour spreads or comes back, with its uncertainty and how typical the "
            "case is. For research use only, not a medical device. The model for soft-tissue sarcoma on PET-CT learned "
            "from 42 patients and predicts no better than the highest uptake alone; the model for brain metastases "
            "has demonstration weights, simulated outcome.</p><p>In two minutes:</p><ol>"
            "<li>Press <i>Load sample case</i>: PET, CT and the tumour of a simulated thigh are made and chosen. With "
            "your own images click the suggestions, and choose a segment or a point that marks the lesion.</li>"
            "<li>Read what the model was trained on and how good it is, under <i>About this model</i>.</li>"
            "<li>Press <i>Apply</i>: a sentence, a row for each lesion, and the outline that the network drew.</li>"
            "<li>Press <i>Show the plot of the risk</i>: the risk with its interval and the threshold.</li>"
            "<li>Press <i>Explain this</i> to see what the prediction rests on.</li></ol>"
            '<p><a href="{tutorial}">Tutorial with pictures</a>, <a href="{console}">console and batch</a>, '
            '<a href="{trouble}">what a message means</a>.</p>'
        ).format(tutorial=f"{DOCS}/tutorial.md", console=f"{DOCS}/console.md", trouble=f"{DOCS}/troubleshooting.md")
        self.parent.acknowledgementText = _(
            "The networks were written anew for LesionLens from published descriptions. Please cite the papers that "
            "the model's own card names."
        )
        slicer.app.connect("startupCompleted()", onStartupCompleted)


def onStartupCompleted() -> None:
    """Offer the sample case in the module Sample Data."""
    ensureLibrary()
    from MetastasisOutcomeLib.SampleCase import registerSampleData

    icons = Path(__file__).parent / "Resources" / "Icons"
    registerSampleData(icons, lambda: MetastasisOutcomeLogic().getParameterNode())


@parameterNodeWrapper
class MetastasisOutcomeParameterNode:
    """What is saved with the scene; the names are a public format.

    The chosen images are node references `Channel_<role>` of the same node (see LesionLensLib.panel.ChannelRows).
    `lesionPart` is the id of the segment, or of the control point, of `lesion`.
    """

    model: str = "chmfl-sarcoma"
    # Slicer's wrapper knows typing.Union and not the `|` of newer Pythons.
    lesion: Union[vtkMRMLSegmentationNode, vtkMRMLMarkupsFiducialNode, None]  # noqa: UP007
    lesionPart: str = ""
    brainMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    device: Device = Device.AUTOMATIC
    registerChannels: bool = False
    dicomObjects: bool = False


class MetastasisOutcomeWidget(ScriptedLoadableModuleWidget):
    """What the application calls; everything else is in `panel`."""

    def __init__(self, parent=None) -> None:
        self.panel: Any = None  # before the base class, which calls `setup` itself where it is given no parent
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel from the .ui file and connect it."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MetastasisOutcome.ui"))
        self.layout.addWidget(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        logic = MetastasisOutcomeLogic()
        from MetastasisOutcomeLib.PredictionPanel import PredictionPanel

        self.panel = PredictionPanel(self.parent, slicer.util.childWidgetVariables(uiWidget), logic)
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

    def predict(self, reportNode: Any) -> None:
        """Choose the images of a segmentation by its report node, and the segmentation as the lesion."""
        self.panel.predict(reportNode)

    def onReload(self) -> None:
        """Read the files of our libraries again too."""
        if self.panel is not None:  # a reload must also help where `setup` has failed
            self.panel.logic.cancel(_("Stopped, because the module was reloaded."))
        forgetLibrary()
        ScriptedLoadableModuleWidget.onReload(self)


class MetastasisOutcomeLogic(ScriptedLoadableModuleLogic):
    """Nodes in, nodes out; needs no widget and no main window."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        ensureLibrary()
        self.program: list | None = None  # the command that does the work; None is this library's own
        from LesionLensLib.panel.PanelRun import RunSlot

        self._slot = RunSlot()

    def getParameterNode(self):
        """Return the typed parameter node."""
        return MetastasisOutcomeParameterNode(super().getParameterNode())

    @property
    def isRunning(self) -> bool:
        """Whether work started by `start` is under way."""
        return self._slot.isRunning

    @property
    def log(self) -> str:
        """What the last run's program wrote."""
        return self._slot.log

    def whyNotReady(self, inputs: dict, card, lesion=None, lesionPart: str = "", brainMask=None) -> str:
        """Return in one sentence why nothing can be predicted from these nodes by the model of `card`, or an empty
        text.
        """
        from MetastasisOutcomeLib.PredictionRun import whyNotReady

        return whyNotReady(inputs, card, lesion, lesionPart, brainMask)

    def process(self, inputs: dict, model: str = "chmfl-sarcoma", lesion=None, lesionPart: str = "", **settings):
        """Predict and return a `Result` (text, probability, lesions, report, reportNode, segmentation, chart,
        warnings); blocks.

        `inputs` are volume nodes by role, `model` an id or the path of a model folder. `lesion` is a segmentation or a
        point list node, `lesionPart` the id of its segment or control point, which may be left out where there is only
        one. Settings: brainMask (node), registerChannels, device, seed, lean, dicom (also put DICOM objects into the
        database). The numbers are those of the command
        line. Raises `UserError`, `EnvironmentFault` or `InternalFault` with a message and a remedy.
        """
        run = self._newRun(inputs, model, lesion, lesionPart, settings)
        run.start()
        return run.wait()

    def start(
        self, inputs: dict, model: str = "chmfl-sarcoma", lesion=None, lesionPart: str = "", progress=None,
        finished=None, failed=None, warning=None, deviceChosen=None, **settings,
    ) -> None:  # fmt: skip
        """Start the same work and return at once; callbacks come on the main thread while the event loop runs.

        `progress(fraction, text)`, `warning(text)`, `deviceChosen(name, reason)`; then once `finished(result)` or
        `failed(error)`, where a `Cancelled` error says that the work was stopped. Raises as `process` where it cannot
        even start.
        """
        self._slot.refuseSecond()
        callbacks = {"progress": progress, "warning": warning, "deviceChosen": deviceChosen}
        callbacks |= {"finished": finished, "failed": failed}
        self._slot.start(self._newRun(inputs, model, lesion, lesionPart, settings, callbacks))

    def cancel(self, reason: str = "") -> None:
        """Stop what `start` started: its process and all it left are gone when this returns."""
        self._slot.cancel(reason)

    def _newRun(self, inputs: dict, model: str, lesion, part: str, settings: dict, callbacks: dict | None = None):
        from MetastasisOutcomeLib.PredictionRun import PredictionRun, RunSettings

        from LesionLensLib.panel.LesionPlace import placeOf
        from LesionLensLib.panel.PanelRun import listenerOf

        place, listener = placeOf(lesion, part), listenerOf(**(callbacks or {}))
        return PredictionRun(inputs, model, place, RunSettings(**settings), listener, self.program)


class MetastasisOutcomeTest(ScriptedLoadableModuleTest):
    """Runs in the application with no main window and no model: where the lesion is, and what is said without one."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()
        ensureLibrary()

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_withoutALesionTheUserIsToldWhatToGive()
        self.setUp()
        self.test_pointUnderATransformIsFoundInTheImage()

    def test_withoutALesionTheUserIsToldWhatToGive(self) -> None:
        """The error has a remedy, and no child is started."""
        from LesionLensLib.errors import UserError

        with self.assertRaises(UserError) as caught:
            MetastasisOutcomeLogic().process({}, lesion=None)
        self.assertIn("segmentation", caught.exception.remedy)

    def test_pointUnderATransformIsFoundInTheImage(self) -> None:
        """A point of the world is taken back into the coordinates of an image that a transform moves."""
        import numpy as np
        import vtk

        from LesionLensLib.panel.LesionPlace import LesionPlace

        image = slicer.util.addVolumeFromArray(np.zeros((10, 10, 10), dtype=np.int16), name="CT")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 50.0)
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(matrix)
        image.SetAndObserveTransformNodeID(transform.GetID())
        points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
        points.AddControlPoint(54.0, 3.0, 2.0)
        self.assertEqual(LesionPlace(points).pointRas(image), (4.0, 3.0, 2.0))
        self.assertEqual(LesionPlace(points).whyUnusable(image), "")
        points.SetNthControlPointPosition(0, 4.0, 3.0, 2.0)
        self.assertIn("outside", LesionPlace(points).whyUnusable(image))
