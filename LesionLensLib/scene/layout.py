"""What the slice views of the application show after a result has arrived."""

from __future__ import annotations

from typing import Any

import slicer


def show_reference(reference: Any, focus_ras: tuple[float, float, float] | None) -> None:
    """Put the reference image in the background of all slice views and move them to a RAS point (mm).

    Without a main window there are no views to set, and nothing happens.
    """
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=reference, fit=True)
    if focus_ras is not None:
        centred = slicer.vtkMRMLSliceNode.CenteredJumpSlice
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *_to_world(reference, focus_ras), centred)


def _to_world(node: Any, ras: tuple[float, float, float]) -> tuple[float, float, float]:
    """Apply the transforms above a node to a point of its own space."""
    world = [0.0, 0.0, 0.0]
    node.TransformPointToWorld(ras, world)
    return world[0], world[1], world[2]
