"""Shows a probability volume over an image: perceptually uniform colours, low values transparent, a legend."""

from __future__ import annotations

from typing import Any

import slicer

from LesionLensLib.scene.color_tables import color_table
from LesionLensLib.scene.words import _

SHOWN_FROM = 0.1


def style_probability(volume: Any) -> None:
    """Give a volume node of probabilities (0 to 1) its colours and range; values below 0.1 are transparent.

    The legend exists but stays hidden until `show_probability`, for it would name colours that are not on screen.
    """
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.SetAndObserveColorNodeID(color_table("inferno").GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, 1.0)
    # The alpha of a colour table is all or nothing in a foreground layer, and dark low values would dim the image.
    display.AutoThresholdOff()
    display.SetThreshold(SHOWN_FROM, 1.0)
    display.ApplyThresholdOn()
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(volume)
    legend.SetTitleText(_("probability"))
    legend.SetLabelFormat("%.1f")
    legend.SetNumberOfLabels(6)
    legend.SetVisibility(False)


def show_probability(volume: Any, opacity: float) -> None:
    """Lay a styled probability volume over the background of every slice view; opacity 0 takes it away."""
    lay_over(volume, opacity)
    slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(volume).SetVisibility(opacity > 0)


def lay_over(volume: Any, opacity: float) -> None:
    """Put a volume in the foreground of every slice view; opacity 0 takes it away."""
    scene = slicer.mrmlScene
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        composite = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        composite.SetForegroundVolumeID(volume.GetID() if opacity > 0 else None)
        composite.SetForegroundOpacity(opacity)
