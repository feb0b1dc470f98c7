"""The section "How was this made" of a panel: the record of a result that is chosen among those of the scene."""

from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from LesionLensLib.panel.RecordText import recordText
from LesionLensLib.scene.provenance import REPORT

LEAST_HEIGHT = 200


class HowMade:
    """A closed section right before the section `before`; the record is read when it is opened."""

    def __init__(self, before: Any) -> None:
        self.section = ctk.ctkCollapsibleButton()
        self.section.text = _("How was this made")
        self.section.toolTip = _("From the images to the result: models, settings, versions, device and date.")
        self.section.collapsed = True
        self.selector = slicer.qMRMLNodeComboBox()
        self.selector.nodeTypes = ["vtkMRMLTextNode"]
        self.selector.noneEnabled = True
        self.selector.addEnabled = False
        self.selector.removeEnabled = False
        self.selector.toolTip = _("The result to tell of, among those of the scene.")
        self.selector.addAttribute("vtkMRMLTextNode", REPORT, "1")
        self.browser = qt.QTextBrowser()
        self.browser.toolTip = _("What the report of the result says; the whole report is a text node of the scene.")
        self.browser.minimumHeight = LEAST_HEIGHT
        layout = qt.QVBoxLayout(self.section)
        layout.addWidget(self.selector)
        layout.addWidget(self.browser)
        outer = before.parentWidget().layout()
        outer.insertWidget(outer.indexOf(before), self.section)
        self.selector.setMRMLScene(slicer.mrmlScene)
        self.selector.connect("currentNodeChanged(vtkMRMLNode*)", self._onChosen)
        self.section.connect("contentsCollapsed(bool)", self._onChosen)

    def show(self, reportNode: Any) -> None:
        """Choose a result by its report node."""
        self.selector.setCurrentNode(reportNode)
        self._onChosen()

    def _onChosen(self, _changed: Any = None) -> None:
        node = self.selector.currentNode()
        if self.section.collapsed:
            return
        self.browser.setHtml(_("Choose a result.") if node is None else recordText(node))
