"""Binds the controls of the .ui file to a typed parameter node, and takes the binding back."""

from collections.abc import Callable, Sequence
from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

PARAMETER_PROPERTY = "SlicerParameterName"
KEPT = "lesionLensBoundParameterNodes"


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

    def bind(self, typedNode: Any) -> None:
        """Let the controls show and change this typed parameter node, and no other; None only releases the last."""
        self.release()
        if typedNode is None:
            return
        keep(typedNode)
        # Not `connectGui`: it returns no tag in many versions (Slicer pull request 8667), so it cannot be taken back
        # and every return to the panel would add another binding.
        self._node, self._tag = typedNode, typedNode.connectParametersToGui(self._widgets)
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
            self._node = None

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


def keep(typedNode: Any) -> None:
    """Keep a typed parameter node for as long as the application runs, reloads of the module included.

    Slicer leaves an observer of a bound one on its node for good. If Python collected the two, the node, which lives
    on in the scene, would call freed memory at its next change.
    """
    if not hasattr(slicer.modules, KEPT):
        setattr(slicer.modules, KEPT, [])
    kept = getattr(slicer.modules, KEPT)
    if not any(other is typedNode for other in kept):
        kept.append(typedNode)
