"""Draws a result to PNG: three slices through the largest lesion and the lesions in 3D inside the brain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from LesionLensLib.display.context import head_mask
from LesionLensLib.scene.impact import renew_legends
from LesionLensLib.scene.layout import SLICES
from LesionLensLib.scene.renderer import require_renderer
from LesionLensLib.scene.segmentation import SceneNodes
from LesionLensLib.scene.views import OffscreenView, SliceView, ThreeDView
from LesionLensLib.scene.volumes import grid_of_node

SIZE = (1280, 1280)
COARSE_VOXELS = 80


def draw_pictures(nodes: SceneNodes, folder: Path, size: tuple[int, int] = SIZE) -> list[Path]:
    """Write axial.png, coronal.png, sagittal.png and threed.png into `folder`; return their paths.

    Raises `EnvironmentFault` where nothing can be drawn on this computer.
    """
    require_renderer()
    if nodes.segmentation is not None:
        nodes.segmentation.GetDisplayNode().SetSliceIntersectionThickness(max(2, size[1] // 320))
    paths = []
    for name, view in open_views(nodes, size):
        with closing(view):
            paths.append(folder / f"{name}.png")
            view.save(paths[-1])
    return paths


def open_views(nodes: SceneNodes, size: tuple[int, int] = SIZE) -> Iterator[tuple[str, OffscreenView]]:
    """Yield each view by name, ready to be drawn; the receiver closes it."""
    box = head_box_ras(nodes.reference) if nodes.frame_ras is None else nodes.frame_ras
    focus = focus_ras(nodes)
    for name, (view_name, orientation) in SLICES.items():
        yield name, _slice_view(nodes, view_name, orientation, size, focus, box)
    yield "threed", _threed_view(nodes, size, focus)


def focus_ras(nodes: SceneNodes) -> tuple[float, float, float]:
    """Return the point (RAS, mm) the pictures show: that of the result, else the middle of the head."""
    found = nodes.focus_ras
    if found is not None:
        return found
    right, anterior, superior = head_box_ras(nodes.reference).mean(0)
    return float(right), float(anterior), float(superior)


def head_box_ras(reference: Any) -> NDArray[np.float64]:
    """Return the eight corners (RAS, mm) of the box of voxels around the head; of the whole image if it is empty."""
    grid = grid_of_node(reference)
    array, step = _coarse(slicer.util.arrayFromVolume(reference))
    mask = head_mask(array)
    where = np.argwhere(mask) if mask.any() else np.array([[0, 0, 0], np.array(array.shape) - 1])
    lower, upper = (where.min(0) * step)[::-1], (where.max(0) * step)[::-1]
    corners = np.stack(np.meshgrid(*zip(lower, upper, strict=True), indexing="ij"), -1).reshape(-1, 3)
    return grid.ras_from_ijk(corners)


def set_window(volume: Any) -> None:
    """Spread the grey values over the head alone: bright fat or air around it would flatten the brain."""
    array, _ = _coarse(slicer.util.arrayFromVolume(volume))
    mask = head_mask(array)
    if not mask.any():
        return
    lower, upper = np.percentile(array[mask], (1.0, 99.95))
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(float(lower), float(max(upper, lower + 1e-6)))


def _coarse(array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return every n-th voxel along each axis of `(k, j, i)` and the n: where a head is needs no finer image."""
    step = np.maximum(1, np.array(array.shape) // COARSE_VOXELS)
    return array[:: step[0], :: step[1], :: step[2]], step


def _slice_view(
    nodes: SceneNodes, name: str, orientation: str, size: tuple[int, int], focus: tuple[float, float, float],
    box: NDArray[np.float64],
) -> SliceView:  # fmt: skip
    view = SliceView(name, orientation, size)
    view.show(nodes.reference, focus, box)
    renew_legends((1.0, 1.0, 1.0))
    view.node.SetRulerType(slicer.vtkMRMLAbstractViewNode.RulerTypeThin)
    letters = size[1] // 28
    view.add_direction_letters(letters)
    axis = {"Axial": 2, "Coronal": 1, "Sagittal": 0}[orientation]
    side = ("RAS" if focus[axis] >= 0 else "LPI")[axis]
    view.add_text(f"{orientation}, {side} {abs(focus[axis]):.0f} mm", (0.03, 0.965), letters * 3 // 4, "left")
    return view


def _threed_view(nodes: SceneNodes, size: tuple[int, int], focus: tuple[float, float, float]) -> ThreeDView:
    view = ThreeDView(size)
    view.node.SetBackgroundColor(1.0, 1.0, 1.0)
    view.node.SetBackgroundColor2(1.0, 1.0, 1.0)
    renew_legends((0.0, 0.0, 0.0))
    view.node.SetOrientationMarkerType(slicer.vtkMRMLAbstractViewNode.OrientationMarkerTypeCube)
    view.node.SetOrientationMarkerSize(slicer.vtkMRMLAbstractViewNode.OrientationMarkerSizeMedium)
    if nodes.segmentation is not None:
        nodes.segmentation.SetDisplayVisibility(True)
    # From the side on which the largest lesion lies, so that it is not behind the others.
    view.look(azimuth=-40 if focus[0] > 0 else 40, elevation=18, zoom=1.35 if nodes.frame_ras is None else 0.95)
    return view
