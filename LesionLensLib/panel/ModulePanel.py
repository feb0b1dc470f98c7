"""The life of a module's panel: it follows the scene and its parameter node, and starts and stops the work."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LesionLensLib.errors import InternalFault, LesionLensError
from LesionLensLib.panel.PanelParts import PanelParts
from LesionLensLib.panel.ParameterBinding import ParameterBinding


class ModulePanel(VTKObservationMixin):
    """The panel shows and asks, the logic works; a subclass says what is its own in the methods at the end.

    `parent` is the application's widget around the panel, `parts` what the panel shows, `nodeParameters` the names of
    the parameters that hold nodes.
    """

    nodeParameters: Sequence[str] = ()

    def __init__(self, parent: Any, logic: Any, parts: PanelParts) -> None:
        VTKObservationMixin.__init__(self)
        self.parent, self.logic, self.parts, self.ui = parent, logic, parts, parts.ui
        self._parameterNode: Any = None
        self._result: Any = None
        self._isStarting = False
        self._binding = ParameterBinding(self.ui, parts.rows, self.nodeParameters, self._refresh)

    def open(self) -> None:
        """Show the panel as it is at first, and connect it."""
        self.parts.showOpened()
        self._followScene()
        self._connect()
        self.initializeParameterNode()

    def close(self) -> None:
        """Stop the work and let go of the scene: the application closes, or the module is reloaded."""
        self.logic.cancel(_("Stopped, because the module was closed."))
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        """Show the parameter node of the scene as it is now."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Do not follow the parameter node while another module is shown; a run goes on."""
        self._binding.release()
        self.followOwn(None)

    def initializeParameterNode(self) -> None:
        """Make sure that a parameter node exists and is shown."""
        self.setParameterNode(self._parameterNode or self.logic.getParameterNode())

    def setParameterNode(self, parameterNode: Any) -> None:
        """Show and follow another typed parameter node; None while the scene is being closed."""
        self._parameterNode = parameterNode
        self._binding.bind(parameterNode)
        self.followOwn(parameterNode)
        if parameterNode:
            self.showModel()
            self._refresh()

    def _followScene(self) -> None:
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        # The parameter node may come with the scene, and the selectors lose what they show.
        self.addObserver(scene, scene.StartImportEvent, lambda caller, event: self.setParameterNode(None))
        for event in (scene.EndCloseEvent, scene.EndImportEvent):  # -1: after the selectors have listed the new scene
            self.addObserver(scene, event, self._onSceneChanged, priority=-1.0)
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent):
            self.addObserver(scene, event, self._onNodesChanged)

    def _connect(self) -> None:
        ui = self.ui
        ui.modelSelector.connect("currentIndexChanged(int)", self.onModelSelected)
        ui.acceptSuggestionsButton.connect("clicked(bool)", self.parts.rows.acceptSuggestions)
        ui.studyButton.connect("clicked(bool)", self.onStudyFolder)
        ui.applyButton.connect("clicked(bool)", self.onApplyOrCancel)
        ui.installButton.connect("clicked(bool)", self.onInstall)
        ui.modelFolderEdit.connect("currentPathChanged(QString)", self.onOwnModelFolder)
        # CTK finds an emptied field not valid and tells no new path.
        ui.modelFolderEdit.connect("validInputChanged(bool)", self._onFolderEmptied)
        self.connectOwn()

    def _onFolderEmptied(self, isValid: bool) -> None:
        if not isValid:
            self.onOwnModelFolder("")

    def _onSceneStartClose(self, caller: Any, event: str) -> None:
        self.setParameterNode(None)  # it is about to be reset
        self._result = None
        self.parts.showResult(None)

    def _onSceneChanged(self, caller: Any, event: str) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def _onNodesChanged(self, caller: Any, event: str) -> None:
        """Suggestions depend on the volumes in the scene, and so does whether the work can start.

        Not while work is under way: nothing can be chosen then, and a result adds its nodes one by one. Not while it
        is begun either: writing a mask adds nodes for a moment.
        """
        scene = slicer.mrmlScene
        if not (scene.IsBatchProcessing() or scene.IsClosing() or self.logic.isRunning or self._isStarting):
            self._refresh()

    def _refresh(self, caller: Any = None, event: Any = None) -> None:
        if self._parameterNode is None:
            return
        if self._parameterNode.model != self.parts.shownModel:
            self.showModel()
        self.parts.rows.refresh()
        self.showOwn()
        self.parts.showReadiness(self.whyNotReady(), self.logic.isRunning)

    def onModelSelected(self, index: int) -> None:
        """The user chose another model."""
        if self._parameterNode and index >= 0:
            self._parameterNode.model = self.ui.modelSelector.itemData(index)

    def onApplyOrCancel(self) -> None:
        """Start the work, or stop it."""
        if self.logic.isRunning:
            self.logic.cancel(_("Cancelled. Nothing was left behind."))
            return
        try:
            if self.parts.install(self._device()):
                self._result = None
                self.parts.showStart()
                self._start()
            self._refresh()
        except LesionLensError as error:
            self.onFailed(error)

    def _start(self) -> None:
        self._isStarting = True
        try:
            self.startWork(self._callbacks())
        except LesionLensError:
            raise
        except Exception as error:  # the border to the user: else the last line of the panel would stand for ever
            logging.exception("the work could not be started")
            told = _("The work could not be started: {error}.").format(error=str(error).rstrip("."))
            raise InternalFault(told, _("Look at the log; please report this fault with it."), repr(error)) from error
        finally:
            self._isStarting = False

    def onStudyFolder(self) -> None:
        """Ask for the folder of a DICOM study and fill the rows from it."""
        folder = qt.QFileDialog.getExistingDirectory(self.ui.studyButton, _("Folder of a DICOM study"))
        if folder:
            self.loadStudy(Path(str(folder)))

    def loadStudy(self, folder: Path) -> None:
        """Load the series of a DICOM study that fit the rows, and say what is unclear about the others."""
        from LesionLensLib.panel.StudyFolder import loadStudy  # brings SimpleITK: an opening panel must not wait for it

        card = self.parts.card(self._parameterNode.model) if self._parameterNode else None
        if card is None:
            return
        self.parts.forgetWarnings()
        try:
            with slicer.util.WaitCursor():
                nodes, problems = loadStudy(folder, self.parts.imagesOf(card))
            self.parts.rows.choose(nodes)
            for problem in problems:
                self.parts.showWarning(problem)
            self._refresh()
        except LesionLensError as error:
            self.onFailed(error)

    def _device(self) -> str:
        """Return the device that the user has chosen, as a job names it."""
        chosen = getattr(self._parameterNode, "device", "auto")
        return str(getattr(chosen, "value", chosen))

    def _callbacks(self) -> dict[str, Any]:
        told = {"progress": self.parts.showProgress, "warning": self.parts.showWarning}
        return {**told, "deviceChosen": self.parts.showDevice, "finished": self.onFinished, "failed": self.onFailed}

    def onFinished(self, result: Any) -> None:
        """Show what came out."""
        self._result = result
        self.parts.showResult(result)
        self.parts.howMade.show(result.reportNode)
        self._refresh()

    def onFailed(self, error: Exception) -> None:
        """Say what went wrong and what to do; the log has the detail."""
        self.parts.showError(error, self.logic.log)
        self._refresh()

    def onInstall(self) -> None:
        """Install what the networks need."""
        try:
            self.parts.install(self._device())
            self._refresh()
        except LesionLensError as error:
            self.onFailed(error)

    def onOwnModelFolder(self, path: str) -> None:
        """The user named a folder with a model of their own; where no other is listed, it is the chosen one."""
        self.parts.keepOwnModelFolder(path)
        if self._parameterNode:
            only = self.parts.onlyModel()
            if only:
                self._parameterNode.model = only
            self.showModel()
            self._refresh()

    # What a module says for itself

    def connectOwn(self) -> None:
        """Connect the controls that only this panel has."""
        raise NotImplementedError

    def whyNotReady(self) -> str:
        """Return in one sentence why the work cannot start, or an empty text; it becomes Apply's tool tip."""
        raise NotImplementedError

    def startWork(self, callbacks: dict[str, Any]) -> None:
        """Let the logic start; raises what it raises where it cannot."""
        raise NotImplementedError

    def showModel(self) -> None:
        """Show the model of the parameter node."""
        self.parts.selectModel(self._parameterNode.model)

    def followOwn(self, parameterNode: Any) -> None:
        """Let the controls beyond the bound ones follow this parameter node; None lets go of the last."""

    def showOwn(self) -> None:
        """Show in the controls that only this panel has what the parameter node says now."""
