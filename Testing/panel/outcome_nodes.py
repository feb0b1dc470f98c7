"""Nodes of a PET-CT case as a user makes them, and what a result leaves in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def drawn_lesion(slicer: Any, mask: Path, reference: Any, name: str = "Tumour drawn by hand") -> Any:
    """Add a segmentation on the grid of `reference` with one segment, the mask."""
    loaded = slicer.util.loadVolume(str(mask), {"labelmap": True})
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    add_segment(slicer, node, "tumour", slicer.util.arrayFromVolume(loaded), reference)
    slicer.mrmlScene.RemoveNode(loaded)
    return node


def add_segment(slicer: Any, node: Any, segment_id: str, array: Any, reference: Any) -> None:
    """Add a segment with voxels (k, j, i) on the grid of `reference`; its name is the id with a capital."""
    node.GetSegmentation().AddEmptySegment(segment_id, segment_id.capitalize())
    slicer.util.updateSegmentBinaryLabelmapFromArray(array.astype("uint8"), node, segment_id, reference)


def add_point(slicer: Any, *points_ras: Any) -> Any:
    """Add a point list with these control points."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Points")
    for number, (right, anterior, superior) in enumerate(points_ras, start=1):
        node.AddControlPoint(float(right), float(anterior), float(superior), f"P{number}")
    return node


def series_of(chart: Any) -> dict[str, list[tuple[float, float]]]:
    """Return the points of every series of a chart by its name."""
    found = {}
    for index in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(index)
        table = series.GetTableNode().GetTable()
        x, y = (table.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName()))
        found[series.GetName()] = [(x.GetValue(row), y.GetValue(row)) for row in range(table.GetNumberOfRows())]
    return found
