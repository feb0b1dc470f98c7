"""Binds the controls of the .ui file to a typed parameter node, and takes the binding back."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

PARAMETER_PROPERTY = "SlicerParameterName"


class ParameterBinding(VTKObservationMixin):
    """The binding of the widgets in `ui` and the channel rows to one typed parameter node at a time.

    `nodeParameters` are the names of those that hold nodes; `onModified(caller, event)` is called when the bound node
    changes. A node selector whose selected node goes selects another node by itself, which must not become a choice:
    choices are cleared before the selectors hear of it.
    """

    def __init__(
        self, ui: Any, rows: Any, nodeParameters: Sequence[str], onModified: Callable[[Any, str], None]
    ) -> None:
        VTKObservationMixin.__init__(self)
        self._widgets = boundWidgets(ui)
        self._rows = rows
        self._nodeParameters = nodeParameters
        self._onModified = onModified
        self._node: Any = None
        self._tag: Any = None
        self._observers: list[int] = []

    def bind(self, typedNode: Any) -> None:
        """Let the controls show and change this typed parameter node, and no other; None only releases the last."""
        self.release()
        if typedNode is None:
            return
        # Not `connectGui`: it returns no tag in many versions (Slicer pull request 8667), so it cannot be taken back
        # and every return to the panel would add another binding.
        self._node = typedNode
        with recordingObservers(typedNode) as self._observers:
            self._tag = typedNode.connectParametersToGui(self._widgets)
        self._rows.setParameterNode(typedNode.parameterNode)
        self.addObserver(typedNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self._onNodeAboutToBeRemoved, priority=1.0)

    def release(self) -> None:
        """Let go of the typed parameter node, if there is one."""
        self.removeObservers()
        self._rows.setParameterNode(None)
        if self._node is not None:
            self._node.disconnectGui(self._tag)
            for tag in self._observers:
                self._node.parameterNode.RemoveObserver(tag)
            self._node, self._observers = None, []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAboutToBeRemoved(self, caller: Any, event: str, node: Any) -> None:
        if slicer.mrmlScene.IsClosing():
            return
        self._rows.forget(node)
        for name in self._nodeParameters:
            if self._node.getValue(name) is node:
                self._node.setValue(name, None)


def boundWidgets(ui: Any) -> dict[str, Any]:
    """Return the widgets of a loaded .ui file by the parameter that each of them names."""
    named = {widget.property(PARAMETER_PROPERTY): widget for widget in vars(ui).values()}
    return {name: widget for name, widget in named.items() if name}


@contextmanager
def recordingObservers(typedNode: Any) -> Iterator[list[int]]:
    """Give a list that receives the tag of every observer that the block adds by the typed parameter node.

    Slicer's `connectParametersToGui` adds one that writes all widgets, and `disconnectGui` leaves it for good: after
    two hundred returns to a panel every change would write them two hundred times. It also holds the typed node, so
    that Python could collect the two while the node, which lives on in the scene, still calls them.
    """
    tags: list[int] = []

    def add(event: Any, callback: Any, priority: float = 0.0) -> int:
        tags.append(typedNode.parameterNode.AddObserver(event, callback, priority))
        return tags[-1]

    typedNode.AddObserver = add  # before the method of the class
    try:
        yield tags
    finally:
        del typedNode.AddObserver
