"""The subject hierarchy: one folder a result, beside the images it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import slicer
import vtk


def subject_hierarchy() -> Any:
    """Return the scene's subject hierarchy node."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def item_of(node: Any) -> int:
    """Return the item of a data node, made at the top level where there is none.

    Desktop Slicer makes the item itself when a node is added, slicer-core does not; a second one must never appear.
    """
    hierarchy = subject_hierarchy()
    return int(hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node))


def add_folder(name: str, beside: Any) -> int:
    """Add a folder beside the node `beside`, that is under its study or folder if it has one; return its item."""
    hierarchy = subject_hierarchy()
    parent = hierarchy.GetItemParent(item_of(beside)) or hierarchy.GetSceneItemID()
    unique = hierarchy.GenerateUniqueItemName(name) if hierarchy.GetItemChildWithName(parent, name) else name
    return int(hierarchy.CreateFolderItem(parent, unique))


def move_into(folder_item: int, nodes: Iterable[Any]) -> None:
    """Put the items of `nodes` under a folder."""
    hierarchy = subject_hierarchy()
    for node in nodes:
        hierarchy.SetItemParent(item_of(node), folder_item)


def nodes_in(folder_item: int) -> list[Any]:
    """Return the data nodes directly under a folder, in its order."""
    hierarchy = subject_hierarchy()
    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(folder_item, children)
    return [hierarchy.GetItemDataNode(children.GetId(index)) for index in range(children.GetNumberOfIds())]
