"""A translucent surface of the brain, head or body as a model node."""

from __future__ import annotations

from typing import Any

import slicer

from LesionLensLib.display.context import Context

TITLES = {"brain": "Brain surface", "head": "Head surface", "body": "Body surface"}
COLOR = (0.80, 0.74, 0.70)
OPACITY = 0.45


def add_context_surface(context: Context | None, name: str) -> Any | None:
    """Add a model node with the surface around a result; None for no surface."""
    if context is None:
        return None
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
    model.SetAndObservePolyData(context.surface)
    model.CreateDefaultDisplayNodes()
    display = model.GetDisplayNode()
    display.SetColor(*COLOR)
    display.SetOpacity(OPACITY)
    display.SetBackfaceCulling(True)  # the far wall behind the near one only greys the lesions
    display.SetSpecular(0.35)
    display.SetPower(25)
    display.SetVisibility2D(False)
    model.SetSelectable(False)  # a picture's frame, not something to measure or edit
    return model
