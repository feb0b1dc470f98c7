"""Nodes of the scene as files for the program that does the work; no node is changed, none is left behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from LesionLensLib.errors import UserError
from LesionLensLib.images.raw_nrrd import write_raw_nrrd
from LesionLensLib.panel.InputChecks import unusable, unusableMask
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
    write_raw_nrrd(volume_of_node(node), path)


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
            raise _noSegment(title)
        writeNode(labelmap, title, path)
    finally:
        slicer.mrmlScene.RemoveNode(labelmap)
        for table in slicer.util.getNodesByClass("vtkMRMLColorTableNode"):  # the export makes one
            if not any(table is other for other in tablesBefore):
                slicer.mrmlScene.RemoveNode(table)


def writeBrainMask(node: Any, folder: Path, reference: Any) -> str | None:
    """Write the mask of the brain into `folder` and return its path, or None for no node.

    Raises `UserError` where it is unusable beside the image `reference`.
    """
    if node is None:
        return None
    path = folder / "brain.nrrd"
    refuse(unusableMask(node, _("The brain mask"), reference))
    writeMask(node, _("The brain mask"), path)
    return str(path)


def writeRegions(node: Any, folder: Path, reference: Any, name: str = "regions") -> str | None:
    """Write regions into `folder` as `name` and return the path, or None for no node: segments keep names and may
    overlap.

    `node` is a segmentation or a label map. Raises `UserError` where it is unusable beside the image `reference`.
    """
    if node is None:
        return None
    refuse(unusableMask(node, _("The map of the regions"), reference))
    if not node.IsA("vtkMRMLSegmentationNode"):
        path = folder / f"{name}.nrrd"
        writeNode(node, _("The map of the regions"), path)
        return str(path)
    if not node.GetSegmentation().GetNumberOfSegments():
        raise _noSegment(_("The segmentation of the regions"))
    path = folder / f"{name}.seg.nrrd"
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    if not storage.WriteData(_asLabelmaps(node)):
        raise UserError(_("The regions could not be written."), _("Save the segmentation to see why, or draw it anew."))
    return str(path)


def referenceImage(inputs: dict[str, Any], card: Any) -> Any:
    """Return the image on whose grid results are made; raises `UserError` where it is not among the `inputs`."""
    reference = inputs.get(card.reference_role)
    if reference is None:
        role = card.reference_role
        raise UserError(_("There is no image for {role}.").format(role=role), _("Choose the images of the model."))
    return reference


def _asLabelmaps(node: Any) -> Any:
    """Return the node itself, or where it is made of surfaces a copy outside of the scene made of label maps."""
    core, name = node.GetSegmentation(), slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    if core.GetSourceRepresentationName() == name:
        return node
    copy = slicer.vtkMRMLSegmentationNode()
    copy.GetSegmentation().DeepCopy(core)
    copy.GetSegmentation().CreateRepresentation(name)
    copy.GetSegmentation().SetSourceRepresentationName(name)
    return copy


def _exportSegments(node: Any, segmentIds: Sequence[str], labelmap: Any) -> bool:
    logic, extent = slicer.modules.segmentations.logic(), slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    if not segmentIds:
        return bool(logic.ExportAllSegmentsToLabelmapNode(node, labelmap, extent))
    names = vtk.vtkStringArray()
    for segmentId in segmentIds:
        names.InsertNextValue(segmentId)
    return bool(logic.ExportSegmentsToLabelmapNode(node, names, labelmap, None, extent))


def _noSegment(title: str) -> UserError:
    told = _("{title} has no segment.").format(title=title)
    return UserError(told, _("Choose another segmentation, or draw in this one."))


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
