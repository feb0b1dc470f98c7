"""Shows a map of impacts over an image and in 3D: colours by the sign, little impact transparent, a legend."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

from LesionLensLib.display.polydata import IMPACT
from LesionLensLib.explain.surface.colors import ColorScale
from LesionLensLib.explain.surface.colors import color_table as colors_of
from LesionLensLib.scene.color_tables import color_table
from LesionLensLib.scene.probability import lay_over

SHOWN_FROM = 0.1
"""Share of the highest impact below which nothing is painted: the anatomy must be seen."""
OPACITY = 0.6
# Opacity of a millimetre in the volume rendering, by share of the highest impact.
_OPACITIES = ((0.0, 0.0), (0.2, 0.0), (0.5, 0.05), (1.0, 0.35))
_LEGEND_LABELS = 5
_FAR = 1e6
# The right edge is where the pictures write the patient's side.
_BESIDE_THE_LETTER = (0.9, 0.5)


def style_impact(volume: Any, scale: ColorScale, title: str) -> None:
    """Give a volume node of impacts the colours of `scale`; `title` is what the legend says the numbers are.

    Little impact is transparent: around 0 of a signed map, below a tenth of the highest of another. The legend stays
    hidden until `show_impact`.
    """
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    table = color_table(scale.table_name, SHOWN_FROM if scale.is_signed else 0.0)
    display.SetAndObserveColorNodeID(table.GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(scale.low, scale.high)
    display.AutoThresholdOff()
    display.SetThreshold(-_FAR if scale.is_signed else SHOWN_FROM * scale.high, _FAR)
    display.ApplyThresholdOn()
    _add_legend(volume, title).SetVisibility(False)


def show_impact(volume: Any, opacity: float = OPACITY) -> None:
    """Lay a styled map over the background of every slice view; opacity 0 takes it away."""
    lay_over(volume, opacity)
    slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(volume).SetVisibility(opacity > 0)


def color_model(model: Any, scale: ColorScale, title: str) -> None:
    """Colour a model node by its point array `impact` in the colours of `scale`, with a legend."""
    model.CreateDefaultDisplayNodes()
    display = model.GetDisplayNode()
    display.SetActiveScalar(IMPACT, vtk.vtkAssignAttribute.POINT_DATA)
    display.SetAndObserveColorNodeID(color_table(scale.table_name).GetID())
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(scale.low, scale.high)
    display.SetScalarVisibility(True)
    display.SetVisibility2D(False)
    _add_legend(model, title)


def render_impact(volume: Any, scale: ColorScale, visible: bool) -> Any:
    """Give a map a volume rendering in the colours of `scale`; return its display node."""
    rendering = slicer.modules.volumerendering.logic().CreateDefaultVolumeRenderingNodes(volume)
    rendering.SetVisibility(visible)
    opacity, colors = vtk.vtkPiecewiseFunction(), vtk.vtkColorTransferFunction()
    for share, value in _OPACITIES:
        opacity.AddPoint(share * scale.high, value)
        if scale.is_signed:
            opacity.AddPoint(share * scale.low, value)
    table = colors_of(scale.table_name)
    for value, color in zip(np.linspace(scale.low, scale.high, len(table)), table.tolist(), strict=True):
        colors.AddRGBPoint(float(value), *color)
    properties = rendering.GetVolumePropertyNode()
    properties.SetScalarOpacity(opacity)
    properties.SetColor(colors)
    return rendering


def _add_legend(node: Any, title: str) -> Any:
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
    legend.SetTitleText(title)
    legend.SetLabelFormat("%.2g")
    legend.SetNumberOfLabels(_LEGEND_LABELS)
    return legend


def renew_legends(text_color: tuple[float, float, float]) -> None:
    """Replace every legend of the scene by an equal one with its text in `text_color`.

    The views draw only legends that were added while they existed (vtkMRMLColorLegendDisplayableManager observes added
    nodes, and does not look for older ones). For pictures, whose views are made after the scene.
    """
    scene = slicer.mrmlScene
    count = scene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode")
    for old in [scene.GetNthNodeByClass(index, "vtkMRMLColorLegendDisplayNode") for index in range(count)]:
        node, title, is_shown = old.GetDisplayableNode(), old.GetTitleText(), old.GetVisibility()
        label_format, labels = old.GetLabelFormat(), old.GetNumberOfLabels()
        scene.RemoveNode(old)
        legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
        legend.SetTitleText(title)
        legend.SetLabelFormat(label_format)
        legend.SetNumberOfLabels(labels)
        legend.SetPosition(*_BESIDE_THE_LETTER)
        for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
            text.SetColor(*text_color)
        legend.SetVisibility(is_shown)
