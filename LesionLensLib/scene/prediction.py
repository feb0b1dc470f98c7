"""Puts the result folder of a prediction into the scene: outlines, PET over CT, body and report in one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from LesionLensLib.display.context import CT
from LesionLensLib.display.prepared import read_prepared
from LesionLensLib.geometry import Grid
from LesionLensLib.scene.color_tables import color_table
from LesionLensLib.scene.hierarchy import add_folder
from LesionLensLib.scene.segmentation import ResultNames, SceneNodes, add_surroundings, finish, reference_node
from LesionLensLib.scene.segments import load_segments
from LesionLensLib.scene.stepwise import Showing, Steps
from LesionLensLib.scene.tables import add_report
from LesionLensLib.scene.terminology import load_terminology
from LesionLensLib.scene.words import _

PET = "PT"
# Soft tissue from fat to contrast agent, in HU.
CT_WINDOW_HU = (-160.0, 240.0)
PET_SHOWN_FROM_SUV = 1.0
PET_HIGHEST_SUV = (5.0, 20.0)
PET_OPACITY = 0.5
_AROUND = 1.4


def is_prediction(report: Mapping[str, Any]) -> bool:
    """Whether a parsed `report.json` is that of a prediction."""
    return "probability" in report["result"]


def show_prediction(
    folder: Path, volumes: Mapping[str, Any], reference_role: str | None = None, context_surface: bool = True
) -> SceneNodes:
    """Add the nodes of a prediction's result folder to the scene, in one folder beside the reference image.

    `volumes` are the input volume nodes by role, the PET in SUV; PET and CT get their colours and windows. There is no
    segmentation where the network outlines nothing. Raises `InternalFault` where the folder does not belong to these
    volumes; after any error the scene is as it was.
    """
    return Showing(showing_prediction(folder, volumes, reference_role, context_surface)).run()


def showing_prediction(
    folder: Path, volumes: Mapping[str, Any], reference_role: str | None = None, context_surface: bool = True
) -> Steps[SceneNodes]:
    """Do what `show_prediction` does in steps, for a window that must answer meanwhile."""
    load_terminology()
    text = (folder / "report.json").read_text(encoding="utf-8")
    report = json.loads(text)
    role = reference_role or report["model"]["reference_role"]
    reference = reference_node(volumes, role, _grid_of_input(report, role))
    names, result = ResultNames.from_report(report, reference.GetName()), report["result"]
    prepared = read_prepared(folder)
    yield
    folder_item = add_folder(names.folder, beside=reference)
    file, segmentation = folder / "segmentation.seg.nrrd", None
    if file.exists():
        segmentation = load_segments(file, names.of(_("Outline")), reference, prepared.outlines if prepared else None)
    yield
    right, anterior, superior = result["center_ras"]
    nodes = SceneNodes(
        folder_item=folder_item,
        reference=reference,
        segmentation=segmentation,
        report=add_report(text, names.report, f"{names.description} {result['text']}"),
        surface=add_surroundings(folder, report, reference, None, names, prepared) if context_surface else None,
        focus_ras=(right, anterior, superior),
        frame_ras=around(Grid.from_dict(report["settings"]["network_grids"][0])),
    )
    for name, node in volumes.items():
        yield
        style_input(node, modality(report, name))
    yield
    finish(nodes, names, volumes)
    return nodes


def modality(report: Mapping[str, Any], role: str) -> str:
    """Return the modality of an input (PT, CT, MR) as the report of a prediction states it."""
    return str(report["settings"]["modalities"].get(role, ""))


def style_input(volume: Any, kind: str) -> None:
    """Give a PET its colours, transparent below 1 SUV, and a CT the window of soft tissue; others stay as they are."""
    if kind not in (PET, CT):
        return
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    if kind == CT:
        display.SetWindowLevelMinMax(*CT_WINDOW_HU)
        return
    highest = float(np.clip(np.percentile(slicer.util.arrayFromVolume(volume), 99.9), *PET_HIGHEST_SUV))
    display.SetAndObserveColorNodeID(color_table("inferno").GetID())
    display.SetWindowLevelMinMax(0.0, highest)
    display.AutoThresholdOff()
    display.SetThreshold(PET_SHOWN_FROM_SUV, 1e6)
    display.ApplyThresholdOn()


def _grid_of_input(report: Mapping[str, Any], role: str) -> Grid:
    return next(Grid.from_dict(entry["grid"]) for entry in report["inputs"] if entry["role"] == role)


def around(grid: Grid) -> NDArray[np.float64]:
    """Return the corners (8, 3) in RAS of a box larger than the network's field of view."""
    half = _AROUND * np.array(grid.size) / 2
    middle = (np.array(grid.size) - 1) / 2
    signs = np.stack(np.meshgrid((-1, 1), (-1, 1), (-1, 1), indexing="ij"), axis=-1).reshape(-1, 3)
    return grid.ras_from_ijk(middle + signs * half)
