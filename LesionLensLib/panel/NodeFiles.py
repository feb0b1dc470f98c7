"""Nodes of the scene as files for the program that does the work; no node is changed, none is left behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from LesionLensLib.errors import UserError
from LesionLensLib.images.write import write_volume
from LesionLensLib.panel.InputChecks import unusable
from LesionLensLib.scene.volumes import volume_of_node


def writeImages(inputs: dict[str, Any], folder: Path) -> tuple[tuple[str, str], ...]:
    """Write the volume node of each role into `folder`; return role and path of each.

    Raises `UserError` for a node that is unusable, alone or beside the first.
    """
    paths = []
    for role, node in inputs.items():
        path = folder / f"{role}.nrrd"
        writeNode(node, role, path, next(iter(inputs.values())))
        paths.append((role, str(path)))
    return tuple(paths)


def writeNode(node: Any, title: str, path: Path, reference: Any = None) -> None:
    """Write a volume node as NRRD; raises `UserError` where it is unusable, alone or beside `reference`."""
    refuse(unusable(node, title, reference))
    write_volume(volume_of_node(node), path, compress=False)


def writeMask(node: Any, title: str, path: Path, segmentIds: Sequence[str] = ()) -> None:
    """Write a label map node, or segments of a segmentation node (none named: all), as NRRD.

    A segmentation comes on its own voxel grid. Raises `UserError` where there is nothing to write.
    """
    if not node.IsA("vtkMRMLSegmentationNode"):
        writeNode(node, title, path)
        return
    tablesBefore = slicer.util.getNodesByClass("vtkMRMLColorTableNode")
    labelmap = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    labelmap.SetHideFromEditors(True)
    try:
        if not _exportSegments(node, segmentIds, labelmap):
            raise UserError(
                _("{title} has no segment.").format(title=title), _("Choose another segmentation, or draw in this one.")
            )
        writeNode(labelmap, title, path)
    finally:
        slicer.mrmlScene.RemoveNode(labelmap)
        for table in slicer.util.getNodesByClass("vtkMRMLColorTableNode"):  # the export makes one
            if not any(table is other for other in tablesBefore):
                slicer.mrmlScene.RemoveNode(table)


def _exportSegments(node: Any, segmentIds: Sequence[str], labelmap: Any) -> bool:
    logic, extent = slicer.modules.segmentations.logic(), slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    if not segmentIds:
        return bool(logic.ExportAllSegmentsToLabelmapNode(node, labelmap, extent))
    names = vtk.vtkStringArray()
    for segmentId in segmentIds:
        names.InsertNextValue(segmentId)
    return bool(logic.ExportSegmentsToLabelmapNode(node, names, labelmap, None, extent))


def refuse(problem: str) -> None:
    """Raise `UserError` with what is wrong with a node, if anything is."""
    if problem:
        raise UserError(
            problem,
            _(
                "Choose another image, harden its transform in the module Data, or resample it in the module Resample "
                "Scalar/Vector/DWI Volume."
            ),
        )
