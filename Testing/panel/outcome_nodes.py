"""Nodes of a PET-CT case as a user makes them, and what a result leaves in the scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.predict_files import tumour_ras

from LesionLensLib.cli.main import main


@dataclass(frozen=True)
class Prediction:
    """The nodes of a prediction: its report, its images by role, and the lesion that was drawn."""

    report: Any
    images: dict[str, Any]
    lesion: Any


def by_command_line(command: list[str], model: Path, paths: dict[str, Path], output: Path) -> Path:
    """Let the command line work on PET, CT and lesion; return the result folder."""
    inputs = [f"--input={role}={paths[role]}" for role in ("PET", "CT")]
    place = [f"--mask=lesion={paths['lesion']}", "--model", str(model), "--output", str(output)]
    assert main([command[0], *inputs, *place, "--device=cpu", "--progress=none", *command[1:]]) == 0
    return output


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


def ball_surface() -> Any:
    """Return the surface of a ball of 13 mm at the tumour, as a contour that was drawn around it."""
    import vtk

    ball = vtk.vtkSphereSource()
    ball.SetCenter(*tumour_ras())
    ball.SetRadius(13.0)
    ball.SetThetaResolution(40)
    ball.SetPhiResolution(40)
    ball.Update()
    return ball.GetOutput()


def series_of(chart: Any) -> dict[str, list[tuple[float, float]]]:
    """Return the points of every series of a chart by its name."""
    found = {}
    for index in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(index)
        table = series.GetTableNode().GetTable()
        x, y = (table.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName()))
        found[series.GetName()] = [(x.GetValue(row), y.GetValue(row)) for row in range(table.GetNumberOfRows())]
    return found
