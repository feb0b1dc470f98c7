"""What is in the scene and what of it is shown: the image, one map over it with its legend, outlines, surfaces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import slicer

from LesionLensLib.scene.impact import renew_legends
from LesionLensLib.scene.layout import SLICES, slice_logic
from LesionLensLib.scene.probability import lay_over

NO_MAP = "none"
DEFAULT_OPACITY = 0.6
_MODEL = "LesionLens.Model"
_WHITE = (1.0, 1.0, 1.0)
# Shares of a view. A title fills the width it is given, so that a short one would get huge letters.
_WIDTH_OF_A_LETTER, _WIDEST, _LEGEND_HEIGHT = 0.008, 0.15, 0.45


class Layers:
    """The nodes of a loaded scene by what they are; made after the views, which draw only legends younger than they.

    Maps of the result come before other images that can be laid over the first.
    """

    def __init__(self, reference: Any | None = None) -> None:
        composite = slice_logic(SLICES["axial"][0]).GetSliceCompositeNode()
        volumes = _nodes("vtkMRMLScalarVolumeNode")
        behind = reference or slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
        self.reference = behind or volumes[0]
        self.maps = {node.GetName(): node for node in _results_first(volumes) if node is not self.reference}
        self.outlines = _nodes("vtkMRMLSegmentationNode")
        self.surfaces = [node for node in _nodes("vtkMRMLModelNode") if node.GetAttribute(_MODEL)]
        over = slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID() or "")
        self.shown_map = over.GetName() if over is not None and over.GetName() in self.maps else NO_MAP
        self.opacity = composite.GetForegroundOpacity() if self.shown_map != NO_MAP else DEFAULT_OPACITY
        renew_legends(_WHITE)
        for legend in _nodes("vtkMRMLColorLegendDisplayNode"):
            letters = len(legend.GetTitleText() or "") or 1
            legend.SetSize(min(_WIDEST, _WIDTH_OF_A_LETTER * letters), _LEGEND_HEIGHT)

    def show_map(self, name: str, opacity: float) -> None:
        """Lay the map of this name over the image, with its legend and no other's; an unknown name takes it away."""
        # Before its legend: a view draws that of a volume only if it shows the volume at that moment.
        lay_over(self.maps.get(name), opacity if name in self.maps else 0.0)
        for other, node in self.maps.items():
            legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node)
            if legend is not None:
                legend.SetVisibility(other == name and opacity > 0)

    def show_outlines(self, visible: bool) -> None:
        """Show or hide all segmentations, in slices and in 3D."""
        _show(self.outlines, visible)

    def show_surfaces(self, visible: bool) -> None:
        """Show or hide all surfaces of the result in 3D."""
        _show(self.surfaces, visible)


def _show(nodes: Iterable[Any], visible: bool) -> None:
    for node in nodes:
        node.SetDisplayVisibility(visible)


def _nodes(class_name: str) -> list[Any]:
    scene = slicer.mrmlScene
    return [scene.GetNthNodeByClass(index, class_name) for index in range(scene.GetNumberOfNodesByClass(class_name))]


def _results_first(volumes: Iterable[Any]) -> list[Any]:
    return sorted(volumes, key=lambda node: not node.GetAttribute(_MODEL))
