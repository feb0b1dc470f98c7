"""A translucent surface of the brain, head or body as a model node."""

from __future__ import annotations

from typing import Any

import slicer

from LesionLensLib.display.context import Context
from LesionLensLib.scene.words import _

COLOR = (0.80, 0.74, 0.70)
OPACITY = 0.45


def surface_title(kind: str) -> str:
    """Return what the surface of a context (its `kind`) is called."""
    return {"brain": _("Brain surface"), "head": _("Head surface"), "body": _("Body surface")}[kind]


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
