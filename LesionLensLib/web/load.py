"""Puts a result folder into the scene: from its `scene.mrb`, else from its other files, without the images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.volume import Volume
from LesionLensLib.scene.explanation import is_explanation, show_explanation
from LesionLensLib.scene.layout import SLICES, slice_logic
from LesionLensLib.scene.prediction import is_prediction, show_prediction
from LesionLensLib.scene.segmentation import show_result
from LesionLensLib.scene.volumes import add_volume
from LesionLensLib.scene_child import SCENE_FILE
from LesionLensLib.web.result import Point

BRAIN_FILE = "brain.nrrd"
_BRAIN_WINDOW = (0.0, 4.0)  # a mask of 1 is dark grey: outlines and colours must stand out


def load_scene_file(folder: Path) -> Point:
    """Read `scene.mrb` into the scene and return the point (RAS, mm) its slice views stand at.

    Raises `UserError` where the file is damaged.
    """
    messages = slicer.vtkMRMLMessageCollection()
    if not slicer.mrmlScene.ReadFromMRB(str((folder / SCENE_FILE).absolute()), False, messages):
        raise UserError(
            f"{SCENE_FILE} of {folder.name} cannot be read.",
            "Make the result again with --scene, or move the file away: the page is then made from the other files.",
            messages.GetAllMessagesAsString(),
        )
    # Each view stands where the slices of the other two cross, along its own axis.
    stands = {
        axis: slice_logic(SLICES[view][0]).GetSliceNode().GetSliceToRAS().GetElement(axis, 3)
        for axis, view in enumerate(("sagittal", "coronal", "axial"))
    }
    return stands[0], stands[1], stands[2]


def load_files(folder: Path, report: Mapping[str, Any]) -> tuple[Any, Point]:
    """Show the files of a result without its images; return the node in their place and the point (RAS, mm) to show.

    Where they were lies the brain mask, if the folder has one, else nothing.
    """
    role = str(report["model"].get("reference_role") or report["inputs"][0]["role"])
    grid = next(Grid.from_dict(entry["grid"]) for entry in report["inputs"] if entry["role"] == role)
    behind, has_brain = _background(folder, grid)
    node = add_volume(behind, "Brain mask" if has_brain else "No image")
    volumes = {role: node}
    if is_explanation(report):
        shown = show_explanation(folder, volumes, role, context_surface=has_brain)
    elif is_prediction(report):
        shown = show_prediction(folder, volumes, role, context_surface=False)
    else:
        shown = show_result(folder, volumes, role, context_surface=has_brain)
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(*_BRAIN_WINDOW)
    middle = grid.ras_from_ijk((np.array(grid.size) - 1) / 2)
    right, anterior, superior = middle if shown.focus_ras is None else shown.focus_ras
    return node, (float(right), float(anterior), float(superior))


def _background(folder: Path, grid: Grid) -> tuple[Volume, bool]:
    if (folder / BRAIN_FILE).is_file():
        brain = read_volume(folder / BRAIN_FILE)
        if brain.grid.is_close(grid):
            return brain, True
    return Volume(np.zeros(grid.shape, dtype=np.uint8), grid), False
