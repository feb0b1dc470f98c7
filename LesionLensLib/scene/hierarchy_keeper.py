"""Keeps the subject hierarchy in step with the scene where no Qt plug-in logic does it (slicer-core).

Source: Slicer, Modules/Loadable/SubjectHierarchy/Widgets/qSlicerSubjectHierarchyPluginLogic.cxx. Without it a closed
scene leaves its folders behind, and a removed node leaves an item that points nowhere.
"""

from __future__ import annotations

from typing import Any

import vtk

DATA_CLASSES = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLModelNode",
    "vtkMRMLTransformNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
)


class HierarchyKeeper:
    """Makes an item for every data node that is added and takes it away with the node, or with the whole scene."""

    def __init__(self, slicer: Any, scene: Any) -> None:
        self._slicer, self._scene = slicer, scene
        scene.AddObserver(scene.NodeAddedEvent, self._on_added)
        scene.AddObserver(scene.NodeAboutToBeRemovedEvent, self._on_removed)
        scene.AddObserver(scene.EndCloseEvent, self._on_closed)

    def _hierarchy(self) -> Any:
        return self._slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]
    def _on_added(self, scene: Any, event: str, node: Any) -> None:
        if scene.IsImporting() or node.GetHideFromEditors() or not any(node.IsA(name) for name in DATA_CLASSES):
            return
        hierarchy = self._hierarchy()
        if not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]
    def _on_removed(self, scene: Any, event: str, node: Any) -> None:
        if scene.IsClosing() or not any(node.IsA(name) for name in DATA_CLASSES):
            return
        hierarchy = self._hierarchy()
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _on_closed(self, scene: Any, event: str) -> None:
        self._hierarchy().RemoveAllItems(False)
