"""A segmentation node from a `.seg.nrrd` file: stable ids, coded meaning, colour, reference geometry, surface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from LesionLensLib.errors import InternalFault
from LesionLensLib.images.volume import Volume
from LesionLensLib.scene.terminology import BRAIN, LESION, Term, find_term
from LesionLensLib.scene.volumes import grid_of_node, right_handed

# Slicer's default of 0.5 shrinks lesions of a few voxels away.
SURFACE_SMOOTHING = 0.35


def load_segments(path: Path, name: str, reference: Any) -> Any:
    """Load a `.seg.nrrd` as a segmentation node with the geometry of the volume node `reference`.

    A segment whose file gives no terminology becomes a lesion of the brain; its name and colour stay. Raises
    `InternalFault` where Slicer cannot read the file, which our own program has written.
    """
    node = slicer.modules.segmentations.logic().LoadSegmentationFromFile(str(path.absolute()), True, name)
    if node is None:
        raise InternalFault(f"{path.name} could not be loaded as a segmentation.", "Run the segmentation again.")
    node.SetName(name)
    _forget_file(node)
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    core = node.GetSegmentation()
    _complete_segments(core)
    _show(node)
    return node


def add_segmentation(mask: Volume, name: str, reference: Any, segment: tuple[str, str], term: Term) -> Any:
    """Add a segmentation node with one segment (its id and name): where `mask`, on the grid of `reference`, is not 0.

    `reference` is the volume node whose geometry the segmentation has; the colour is that of the term.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    core = node.GetSegmentation()
    core.AddEmptySegment(*segment, term.color)
    core.GetSegment(segment[0]).SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), term.entry)
    inside = np.ascontiguousarray(right_handed(mask).array != 0).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(inside, node, segment[0], reference)
    _complete_segments(core)
    _show(node)
    return node


def segment_ids(segmentation: Any) -> list[str]:
    """Return the ids of all segments in their order."""
    core = segmentation.GetSegmentation()
    return [core.GetNthSegmentID(index) for index in range(core.GetNumberOfSegments())]


def lesion_mask(segmentation: Any, reference: Any) -> NDArray[np.bool_]:
    """Return `(k, j, i)` on the grid of the volume node `reference`: where any segment is."""
    mask = np.zeros(grid_of_node(reference).shape, dtype=np.bool_)
    for segment_id in segment_ids(segmentation):
        if _is_empty(segmentation, segment_id):
            continue  # Slicer cannot resample nothing
        mask |= slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, reference) > 0
    return mask


def largest_lesion_ras(segmentation: Any, reference: Any) -> tuple[float, float, float] | None:
    """Return the RAS point (mm) in the largest lesion that lies deepest inside it; None where there is no lesion.

    The deepest point and not the centroid: the centroid of a curved lesion may lie outside it, and a slice there
    would miss what it should show.
    """
    from scipy import ndimage  # not at the top: a panel that opens reads segments too, and must not wait for scipy

    mask = lesion_mask(segmentation, reference)
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if not count:
        return None
    sizes = np.bincount(labels.ravel())
    number = int(np.argmax(sizes[1:])) + 1
    box = ndimage.find_objects(labels)[number - 1]
    grid = grid_of_node(reference)
    inside = np.pad(labels[box] == number, 1)
    depth = ndimage.distance_transform_edt(inside, sampling=grid.spacing_mm[::-1])
    k, j, i = np.array(np.unravel_index(np.argmax(depth), depth.shape)) - 1 + [axis.start for axis in box]
    right, anterior, superior = grid.ras_from_ijk((i, j, k))
    return float(right), float(anterior), float(superior)


def _is_empty(segmentation: Any, segment_id: str) -> bool:
    """Whether no voxel belongs to the segment; its bounds do not tell, they may span the whole image."""
    image = segmentation.GetBinaryLabelmapInternalRepresentation(segment_id)
    scalars = image.GetPointData().GetScalars()
    value = segmentation.GetSegmentation().GetSegment(segment_id).GetLabelValue()  # segments may share one labelmap
    return scalars is None or not np.any(vtk_to_numpy(scalars) == value)


def _forget_file(node: Any) -> None:
    """The node must not point at the result folder: the panel's is temporary, and a saved scene would miss it."""
    storage = node.GetStorageNode()
    node.SetAndObserveStorageNodeID(None)
    if storage is not None:
        slicer.mrmlScene.RemoveNode(storage)


def _complete_segments(core: Any) -> None:
    for index in range(core.GetNumberOfSegments()):
        segment = core.GetNthSegment(index)
        segment.SetNameAutoGenerated(False)
        segment.SetColorAutoGenerated(False)
        # Slicer gives a segment without a meaning that of a new one: "Tissue".
        if terminology_of(segment) in ("", terminology_of(slicer.vtkSegment())):
            segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), find_term(LESION, BRAIN).entry)


def terminology_of(segment: Any) -> str:
    """Return the serialised terminology entry of a segment, empty where it has none."""
    tag = vtk.reference("")
    segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag)
    return str(tag)


def _show(node: Any) -> None:
    """Show the segments as surfaces, if there is anything in them, and as outlines."""
    if not all(_is_empty(node, segment_id) for segment_id in segment_ids(node)):
        node.GetSegmentation().SetConversionParameter("Smoothing factor", str(SURFACE_SMOOTHING))
        node.CreateClosedSurfaceRepresentation()
    _show_outlines(node)


def _show_outlines(node: Any) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetOpacity(1.0)
    display.SetVisibility2DFill(False)  # the lesion's own grey values must stay visible
    display.SetVisibility2DOutline(True)
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(2)
    display.SetOpacity3D(1.0)
