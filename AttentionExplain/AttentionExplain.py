"""Attention Explain: shows what an answer of a network rests on, as a map, in regions and on a surface."""

from pathlib import Path
from typing import Annotated, Any, Union

import slicer
from AttentionExplainLib.LibraryPath import ensureLibrary, forgetLibrary
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTextNode,
)
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


class AttentionExplain(ScriptedLoadableModule):
    """What the application shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Attention Explain")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = []
        self.parent.contributors = ["The LesionLens maintainers (LesionLens)"]
        self.parent.helpText = _(
            "<p>Shows what a prediction or a segmentation rests on: a map over the images, the share of each region, "
            "and a coloured surface. A map tells what the network used, not what is true of the patient. For research "
            "use only, not a medical device.</p><p>In two minutes:</p><ol>"
            "<li>Press <i>Explain this</i> below a result of Lesion Segmentation or Metastasis Outcome, or choose the "
            "result here; its model, images and lesion come with it.</li>"
            "<li>Choose a method. Occlusion works with every network and is the easiest to read.</li>"
            "<li>Press <i>Apply</i>, and read first how far the map can be believed.</li>"
            "<li>Go to the peak, or click a region; the slider says how strongly the map covers the image.</li></ol>"
            '<p><a href="{tutorial}">Tutorial with pictures</a>, <a href="{console}">console and batch</a>, '
            '<a href="{trouble}">what a message means</a>.</p>'
        ).format(tutorial=f"{DOCS}/tutorial.md", console=f"{DOCS}/console.md", trouble=f"{DOCS}/troubleshooting.md")
        self.parent.acknowledgementText = _(
            "Occlusion and surface: S. A. Jalalifar et al., IEEE JTEHM 2022; SMOCAM: J. Konate et al., ISBI 2021; both "
            "written anew for LesionLens from the published descriptions. Please cite them and the model's own card."
        )


@parameterNodeWrapper
class AttentionExplainParameterNode:
    """What is saved with the scene; the names are a public format.

    The chosen images are node references `Channel_<role>` of the same node (see LesionLensLib.panel.ChannelRows).
    `filledFrom` is the id of the result that was filled in last. A length of 0 leaves it to the method, and so does a
    `target` that is none of the model's outputs: then the first one is explained.
    """

    result: vtkMRMLTextNode
    filledFrom: str = ""
    model: str = "chmfl-sarcoma"
    # Slicer's wrapper knows typing.Union and not the `|` of newer Pythons.
    lesion: Union[vtkMRMLSegmentationNode, vtkMRMLMarkupsFiducialNode, None]  # noqa: UP007
    lesionPart: str = ""
    brainMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    method: str = "occlusion"
    target: str = ""
    sizeMm: Annotated[float, WithinRange(0.0, 100.0)] = 0.0
    strideMm: Annotated[float, WithinRange(0.0, 100.0)] = 0.0
    perChannel: bool = False
    checks: bool = True
    surface: str = "lesion"
    surfaceMm: Annotated[float, WithinRange(0.0, 100.0)] = 5.0
    regions: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    device: str = "auto"
    registerChannels: bool = False
    dicomObjects: bool = False
    opacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.6


class AttentionExplainWidget(ScriptedLoadableModuleWidget):
    """What the application calls; everything else is in `panel`."""

    def __init__(self, parent=None) -> None:
        self.panel: Any = None  # before the base class, which calls `setup` itself where it is given no parent
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel from the .ui file and connect it."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/AttentionExplain.ui"))
        self.layout.addWidget(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        logic = AttentionExplainLogic()
        from AttentionExplainLib.ExplanationPanel import ExplanationPanel

        self.panel = ExplanationPanel(self.parent, slicer.util.childWidgetVariables(uiWidget), logic)
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

    def explain(self, reportNode) -> None:
        """Choose the result of a report node; its model, images, lesion and device come with it."""
        self.panel.explain(reportNode)


class AttentionExplainLogic(ScriptedLoadableModuleLogic):
    """Nodes in, nodes out; needs no widget and no main window."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        ensureLibrary()
        self.program: list | None = None  # the command that does the work; None is this library's own
        from LesionLensLib.panel.PanelRun import RunSlot

        self._slot = RunSlot()

    def getParameterNode(self):
        """Return the typed parameter node."""
        return AttentionExplainParameterNode(super().getParameterNode())

    @property
    def isRunning(self) -> bool:
        """Whether work started by `start` is under way."""
        return self._slot.isRunning

    @property
    def log(self) -> str:
        """What the last run's program wrote."""
        return self._slot.log

    def whyNotReady(self, inputs: dict, card, lesion=None, lesionPart: str = "", brainMask=None, regions=None) -> str:
        """Return in one sentence why no answer of the model of `card` to these nodes can be explained, or an empty
        text.
        """
        from AttentionExplainLib.ExplanationRun import whyNotReady

        return whyNotReady(inputs, card, lesion, lesionPart, brainMask, regions)

    def process(
        self, inputs: dict, model: str = "chmfl-sarcoma", method: str = "occlusion", lesion=None, lesionPart: str = "",
        **settings,
    ):  # fmt: skip
        """Explain and return a `Result` (text, validity, peak, maps, surface, regions, report, reportNode, warnings);
        blocks.

        `inputs` are volume nodes by role, `model` an id or the path of a model folder. `lesion` is a segmentation or a
        point list node, `lesionPart` the id of its segment or control point, which may be left out where there is only
        one; a segmentation model needs none and then explains all lesions that it finds. Settings: sizeMm, strideMm,
        perChannel, checks (of how far the map can be believed), surface ("lesion", "lesion+5mm", "brain", "none"),
        regions (node), target, brainMask (node), registerChannels, device, seed, lean, dicom (also put DICOM
        objects into the database); None takes the method's own
        value. The numbers are those of the command line. Raises `UserError`, `EnvironmentFault` or `InternalFault`
        with a message and a remedy.
        """
        run = self._newRun(inputs, model, method, (lesion, lesionPart), settings)
        run.start()
        return run.wait()

    def start(
        self, inputs: dict, model: str = "chmfl-sarcoma", method: str = "occlusion", lesion=None, lesionPart: str = "",
        progress=None, finished=None, failed=None, warning=None, deviceChosen=None, **settings,
    ) -> None:  # fmt: skip
        """Start the same work and return at once; callbacks come on the main thread while the event loop runs.

        `progress(fraction, text)`, `warning(text)`, `deviceChosen(name, reason)`; then once `finished(result)` or
        `failed(error)`, where a `Cancelled` error says that the work was stopped. Raises as `process` where it cannot
        even start.
        """
        self._slot.refuseSecond()
        callbacks = {"progress": progress, "warning": warning, "deviceChosen": deviceChosen}
        callbacks |= {"finished": finished, "failed": failed}
        self._slot.start(self._newRun(inputs, model, method, (lesion, lesionPart), settings, callbacks))

    def cancel(self, reason: str = "") -> None:
        """Stop what `start` started: its process and all it left are gone when this returns."""
        self._slot.cancel(reason)

    def _newRun(
        self, inputs: dict, model: str, method: str, lesion: tuple, settings: dict, callbacks: dict | None = None
    ):
        from AttentionExplainLib.ExplanationRun import ExplanationRun, RunSettings

        from LesionLensLib.panel.PanelRun import listenerOf

        listener = listenerOf(**(callbacks or {}))
        return ExplanationRun(inputs, model, method, lesion, RunSettings(**settings), listener, self.program)


class AttentionExplainTest(ScriptedLoadableModuleTest):
    """Runs in the application with no main window and no model: what is listed, and what is said without a lesion."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()
        ensureLibrary()

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_withoutImagesTheUserIsToldWhatToGive()
        self.setUp()
        self.test_onlyResultsThatCanBeExplainedAreListed()

    def test_withoutImagesTheUserIsToldWhatToGive(self) -> None:
        """The error has a remedy, and no child is started."""
        from LesionLensLib.errors import UserError

        with self.assertRaises(UserError) as caught:
            AttentionExplainLogic().process({}, lesion=None)
        self.assertTrue(caught.exception.remedy)

    def test_onlyResultsThatCanBeExplainedAreListed(self) -> None:
        """Reports of explanations and foreign texts are not offered."""
        from LesionLensLib.scene.provenance import EXPLAINABLE
        from LesionLensLib.scene.tables import add_report

        widget = slicer.util.loadUI(str(Path(__file__).parent / "Resources" / "UI" / "AttentionExplain.ui"))
        widget.setMRMLScene(slicer.mrmlScene)
        selector = slicer.util.childWidgetVariables(widget).resultSelector
        selector.addAttribute("vtkMRMLTextNode", EXPLAINABLE, "1")
        note = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "note")
        explanation = add_report("{}", "explanation", "", explainable=False)
        prediction = add_report("{}", "prediction", "")
        for node in (note, explanation):  # only what is listed can be chosen
            selector.setCurrentNode(node)
            self.assertIsNone(selector.currentNode())
        selector.setCurrentNode(prediction)
        self.assertIs(selector.currentNode(), prediction)
