"""The qMRML widgets that the panels use, on the real scene."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

CREATE = "create"


class qMRMLWidget(QtWidgets.QWidget):  # noqa: N801
    """A widget that hands its scene on to the widgets connected to its signal."""

    SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)"}
    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):  # noqa: N801
    """What the application gives a panel as its parent."""

    isEntered = False


class qMRMLNodeComboBox(QtWidgets.QWidget):  # noqa: N801
    """Lists nodes; disabled until it has a scene.

    It selects by itself what nobody has chosen, as the real one does: the first node where None is no choice, the
    item above where the selected node is removed (QComboBox), and None after a scene was imported or closed.
    """

    SIGNALS = {
        "currentNodeChanged(vtkMRMLNode*)", "currentNodeChanged(bool)", "currentNodeIDChanged(QString)",
        "nodeAddedByUser(vtkMRMLNode*)", "nodeActivated(vtkMRMLNode*)",
    }  # fmt: skip
    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeAddedByUser = Signal(object)
    nodeActivated = Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QComboBox()
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        layout.addWidget(self._box)
        policy = QtWidgets.QSizePolicy
        self.setSizePolicy(policy(policy.Preferred, policy.Fixed, policy.ComboBox))
        self._scene: Any = None
        self._observations: list[tuple[Any, int]] = []
        self._types: list[str] = []
        self._attributes: dict[str, dict[str, Any]] = {}
        self._flags = {"none": False, "add": True, "remove": True, "rename": False, "edit": False, "hidden": False,
                       "children": True, "select": True}  # fmt: skip
        self._base_name = ""
        self._none_display = "None"
        self._shown_id = ""
        self._box.currentIndexChanged.connect(self._on_index)
        # The scene outlives the widget: its events must not reach a widget that Qt has deleted.
        self.destroyed.connect(lambda _=None, observations=self._observations: _stop_observing(observations))
        self.setEnabled(False)

    def setMRMLScene(self, scene: Any) -> None:
        _stop_observing(self._observations)
        self._scene = scene
        if scene is not None:
            kind = slicer.vtkMRMLScene
            calls = {kind.NodeAddedEvent: lambda *_: self._refill(), kind.NodeAboutToBeRemovedEvent: self._on_removed,
                     kind.EndImportEvent: self._on_new_list, kind.EndCloseEvent: self._on_new_list,
                     kind.EndBatchProcessEvent: lambda *_: self._refill()}  # fmt: skip
            for event, call in calls.items():
                self._observations.append((scene, scene.AddObserver(event, call)))
        self.setEnabled(scene is not None)
        self._refill()

    def mrmlScene(self) -> Any:
        return self._scene

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._shown_id) if self._scene is not None and self._shown_id else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        index = self._box.findData(node_id) if node_id else -1
        self._box.setCurrentIndex(index if index >= 0 else (0 if self._flags["none"] else -1))

    def nodeCount(self) -> int:
        return len(self._nodes())

    def addNode(self, node_type: str = "") -> Any:
        node = self._scene.AddNewNodeByClass(node_type or self._types[0], self._base_name)
        if self._flags["select"]:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        """List nodes of this type only where they have the attribute, with this value if one is given."""
        self._attributes.setdefault(node_type, {})[name] = value
        self._refill()

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = (self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes()))
        return [node for node in nodes if self._is_offered(node)]

    def _is_offered(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self._flags["hidden"]:
            return False
        for name, value in self._attributes.get(node.GetClassName(), {}).items():
            if node.GetAttribute(name) is None or (value is not None and node.GetAttribute(name) != value):
                return False
        if self._flags["children"]:
            return any(node.IsA(name) for name in self._types)
        return node.GetClassName() in self._types

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, scene: Any, event: str, node: Any) -> None:
        row = self._box.findData(node.GetID())
        if row < 0 or scene.IsClosing():
            return
        above = max(row - 1, 0) if row == self._box.currentIndex else -1
        self._box.removeItem(row)  # PySide6 would select the item below
        if above >= 0:
            self._box.setCurrentIndex(above)

    def _on_new_list(self, *_: Any) -> None:
        self._box.setCurrentIndex(0 if self._flags["none"] else -1)
        self._refill()

    def _refill(self) -> None:
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        keep = self._shown_id
        self._box.blockSignals(True)
        self._box.clear()
        if self._flags["none"]:
            self._box.addItem(self._none_display, "")
        for node in self._nodes():
            self._box.addItem(node.GetName(), node.GetID())
        if self._flags["add"]:
            self._box.addItem("Create new...", CREATE)
        found = self._box.findData(keep) if keep else -1
        self._box.setCurrentIndex(found if found >= 0 else 0)
        self._box.blockSignals(False)
        self._on_index(self._box.currentIndex)

    def _on_index(self, index: int) -> None:
        data = self._box.itemData(index) or ""
        if data == CREATE:
            if self._box.hasFocus():
                self.addNode()
                return
            data = ""
        if data != self._shown_id:
            self._shown_id = data
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(data)

    def _set_types(self, types: Any) -> None:
        self._types = list(types)
        self._refill()

    def _set_flag(self, name: str, value: bool) -> None:
        self._flags[name] = bool(value)
        self._refill()

    def _set_base_name(self, name: str) -> None:
        self._base_name = name

    def _set_none_display(self, name: str) -> None:
        self._none_display = name
        self._refill()

    currentNodeID = Property(str, lambda self: self._shown_id, setCurrentNodeID)
    nodeTypes = Property("QStringList", lambda self: list(self._types), _set_types)
    baseName = Property(str, lambda self: self._base_name, _set_base_name)
    noneDisplay = Property(str, lambda self: self._none_display, _set_none_display)
    noneEnabled = Property(bool, lambda s: s._flags["none"], lambda s, v: s._set_flag("none", v))
    addEnabled = Property(bool, lambda s: s._flags["add"], lambda s, v: s._set_flag("add", v))
    removeEnabled = Property(bool, lambda s: s._flags["remove"], lambda s, v: s._set_flag("remove", v))
    renameEnabled = Property(bool, lambda s: s._flags["rename"], lambda s, v: s._set_flag("rename", v))
    editEnabled = Property(bool, lambda s: s._flags["edit"], lambda s, v: s._set_flag("edit", v))
    showHidden = Property(bool, lambda s: s._flags["hidden"], lambda s, v: s._set_flag("hidden", v))
    showChildNodeTypes = Property(bool, lambda s: s._flags["children"], lambda s, v: s._set_flag("children", v))
    selectNodeUponCreation = Property(bool, lambda s: s._flags["select"], lambda s, v: s._set_flag("select", v))


def _stop_observing(observations: list[tuple[Any, int]]) -> None:
    for observed, tag in observations:
        observed.RemoveObserver(tag)
    observations.clear()


MRML_WIDGETS = (qMRMLWidget, qSlicerScriptedLoadableModuleWidget, qMRMLNodeComboBox)
