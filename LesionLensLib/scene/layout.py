"""What the slice views of the application show after a result has arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer

SLICES = {"axial": ("Red", "Axial"), "coronal": ("Green", "Coronal"), "sagittal": ("Yellow", "Sagittal")}
SCREEN_SIZE = (500, 500)


def show_reference(reference: Any, focus_ras: tuple[float, float, float] | None) -> None:
    """Put the reference image in the background of all slice views and move them to a RAS point (mm).

    Without a main window there are no views to set, and nothing happens.
    """
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=reference, fit=True)
    if focus_ras is not None:
        show_point(reference, focus_ras)


def show_point(reference: Any, point_ras: Sequence[float]) -> None:
    """Centre all slice views on a point of a node's own space (RAS, mm); a transform above the node moves it too."""
    centred = slicer.vtkMRMLSliceNode.CenteredJumpSlice
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *_to_world(reference, point_ras), centred)


def slice_logic(name: str) -> Any:
    """Return the logic of the slice view `name`, made with its node where no application has made it.

    One logic a view: a second one on the same node loses that node's scene and logs warnings at every step.
    """
    app_logic = slicer.app.applicationLogic()
    logic = app_logic.GetSliceLogicByLayoutName(name)
    if logic is None:
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(app_logic)
        app_logic.GetSliceLogics().AddItem(logic)
        logic.SetMRMLScene(slicer.mrmlScene)
        logic.AddSliceNode(name)
    return logic


def view_node(name: str) -> Any:
    """Return the node of the 3D view `name`, made where no application has made it.

    It outlives the closing of the scene, its logic forgets it then; asked for a second one, a logic returns a node
    that belongs to no scene.
    """
    scene = slicer.mrmlScene
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLViewNode")):
        node = scene.GetNthNodeByClass(index, "vtkMRMLViewNode")
        if node.GetLayoutName() == name:
            return node
    logic = slicer.vtkMRMLViewLogic()
    logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    slicer.app.applicationLogic().GetViewLogics().AddItem(logic)
    logic.SetMRMLScene(scene)
    return logic.AddViewNode(name)


def prepare_slices(reference: Any, focus_ras: tuple[float, float, float]) -> None:
    """Set the three slice nodes, so that a saved scene opens at the lesion and not at the centre; nothing is drawn."""
    for name, orientation in SLICES.values():
        logic = slice_logic(name)
        logic.GetSliceNode().SetOrientation(orientation)
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(reference.GetID())
        logic.ResizeSliceNode(*SCREEN_SIZE)
        logic.FitSliceToBackground()
        logic.GetSliceNode().JumpSliceByOffsetting(*focus_ras)


def _to_world(node: Any, ras: Sequence[float]) -> tuple[float, float, float]:
    """Apply the transforms above a node to a point of its own space."""
    world = [0.0, 0.0, 0.0]
    node.TransformPointToWorld(ras, world)
    return world[0], world[1], world[2]
