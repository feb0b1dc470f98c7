"""Shows a probability volume over an image: perceptually uniform colours, low values transparent, a legend."""

from __future__ import annotations

import csv
from typing import Any

import slicer

from LesionLensLib.resources import resource

SHOWN_FROM = 0.1
TABLE_NAME = "LesionLens probability (inferno)"
_MARK = "LesionLens.ColorTable"


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
    legend.SetTitleText("probability")
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


def color_table(name: str) -> Any:
    """Return the scene's colour table node made from `Resources/Colors/<name>.csv`, adding it once.

    Slicer's own file-based tables are missing in slicer-core, so the colours are shipped.
    """
    scene = slicer.mrmlScene
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")):
        known = scene.GetNthNodeByClass(index, "vtkMRMLColorTableNode")
        if known.GetAttribute(_MARK) == name:
            return known
    with resource("Colors", f"{name}.csv").open(newline="") as file:
        colors = [(float(row["red"]), float(row["green"]), float(row["blue"])) for row in csv.DictReader(file)]
    node = scene.AddNewNodeByClass("vtkMRMLColorTableNode", TABLE_NAME)
    node.SetTypeToUser()
    node.SetNumberOfColors(len(colors))
    for index, color in enumerate(colors):
        node.SetColor(index, *color, 1.0)
    node.SetNamesFromColors()
    node.SetAttribute(_MARK, name)
    node.SetHideFromEditors(False)  # a hidden colour node is not saved with the scene
    return node
