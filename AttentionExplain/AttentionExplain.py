"""Attention Explain: the place where the module of that name comes in a later version."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class AttentionExplain(ScriptedLoadableModule):
    """What the application shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Attention Explain")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = []
        self.parent.contributors = ["The LesionLens maintainers (LesionLens)"]
        self.parent.helpText = _(
            "Attention Explain will show which parts of the images an answer came from, and check that map against the "
            "network. "
            "It comes in a later version of LesionLens; nothing can be run here yet."
        )
        self.parent.acknowledgementText = _("Research use only, not a medical device.")


class AttentionExplainWidget(ScriptedLoadableModuleWidget):
    """A panel that says what will be here, and has no controls."""

    def setup(self) -> None:
        """Show the sentence of the .ui file."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/AttentionExplain.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)


class AttentionExplainTest(ScriptedLoadableModuleTest):
    """The panel promises nothing that it cannot do."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test of this module."""
        self.setUp()
        self.test_panelSaysThatTheModuleComesLater()

    def test_panelSaysThatTheModuleComesLater(self) -> None:
        """The one label says so, and there is no button to press."""
        widget = slicer.util.loadUI(str(Path(__file__).parent / "Resources" / "UI" / "AttentionExplain.ui"))
        self.assertIn("later version", slicer.util.childWidgetVariables(widget).laterLabel.text)
        self.assertEqual(slicer.util.findChildren(widget, className="QPushButton"), [])
