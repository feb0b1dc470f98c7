"""The list of segments, or of points, of the chosen lesion node; the node itself has a selector of its own."""

from collections.abc import Callable
from typing import Any

import slicer
from slicer.util import VTKObservationMixin

from LesionLensLib.panel.LesionPlace import parts


class LesionSelector(VTKObservationMixin):
    """Keeps the QComboBox and the parameter `lesionPart` equal, and follows what is added to the node or leaves it.

    A node with one part has it chosen; of several the user chooses. `onChanged` is called when the node changes.
    """

    def __init__(self, comboBox: Any, onChanged: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._comboBox = comboBox
        self._onChanged = onChanged
        self._parameterNode: Any = None
        self._observed: Any = None
        self._shown: list[tuple[str, str]] = []
        comboBox.connect("currentIndexChanged(int)", self._onSelected)

    def setParameterNode(self, parameterNode: Any) -> None:
        """Show and follow another typed parameter node; None lets go of the last."""
        self._parameterNode = parameterNode
        self.refresh()

    def refresh(self) -> None:
        """Show the parts of the chosen node as they are now."""
        node = self._parameterNode.lesion if self._parameterNode is not None else None
        self._observe(node)
        found, wasBlocked = parts(node), self._comboBox.blockSignals(True)
        if found != self._shown:
            self._shown = found
            self._comboBox.clear()
            for partId, name in found:
                self._comboBox.addItem(name, partId)
        self._comboBox.enabled = bool(found)
        if self._parameterNode is not None:
            self._comboBox.setCurrentIndex(self._comboBox.findData(self._chosen(found)))
        self._comboBox.blockSignals(wasBlocked)

    def _chosen(self, found: list[tuple[str, str]]) -> str:
        """Return the chosen part; a choice that is gone is dropped, the only part is chosen."""
        known = [partId for partId, _name in found]
        part = str(self._parameterNode.lesionPart)
        if part not in known:
            part = known[0] if len(known) == 1 else ""
        if self._parameterNode.lesionPart != part:
            self._parameterNode.lesionPart = part
        return part

    def _onSelected(self, index: int) -> None:
        if self._parameterNode is not None and index >= 0:
            self._parameterNode.lesionPart = self._comboBox.itemData(index)

    def _observe(self, node: Any) -> None:
        if node is self._observed:
            return
        self.removeObservers()
        self._observed = node
        if node is None:
            return
        if node.IsA("vtkMRMLSegmentationNode"):
            kind = slicer.vtkSegmentation
            watched, events = node.GetSegmentation(), (kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified)
        else:
            watched = node
            events = (node.PointPositionDefinedEvent, node.PointModifiedEvent, node.PointRemovedEvent)
        for event in events:
            self.addObserver(watched, event, self._onPartsChanged)

    def _onPartsChanged(self, caller: Any, event: Any) -> None:
        if not slicer.mrmlScene.IsClosing():
            self._onChanged()
