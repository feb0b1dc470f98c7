"""Lines and points of a chart as nodes: a table and a series for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import slicer
import vtk

from LesionLensLib.scene.segmentation import ResultNames
from LesionLensLib.scene.words import _

BLUE, ORANGE, GREY = (0.0, 0.45, 0.7), (0.84, 0.37, 0.0), (0.4, 0.4, 0.4)


@dataclass(frozen=True)
class Series:
    """One line of a chart: points in `x` and `y`; `line` joins them, `marker` shows each."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: tuple[float, float, float]
    line: bool
    marker: bool


def fill_chart(chart: Any, all_series: Iterable[Series], columns: tuple[str, str], names: ResultNames) -> list[Any]:
    """Add a table, with its `columns` for x and y, and a series node for each to the chart; return these nodes."""
    made = []
    for series in all_series:
        table, node = _add_series(series, columns, names)
        chart.AddAndObservePlotSeriesNodeID(node.GetID())
        made += [table, node]
    return made


def _add_series(series: Series, columns: tuple[str, str], names: ResultNames) -> tuple[Any, Any]:
    title = names.of(_("{series}, table").format(series=series.name))
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", title)
    for column, values in zip(columns, (series.x, series.y), strict=True):
        array = vtk.vtkDoubleArray()
        array.SetName(column)
        for value in values:
            array.InsertNextValue(value)
        table.AddColumn(array)
    table.SetLocked(True)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", series.name)
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetXColumnName(columns[0])
    node.SetYColumnName(columns[1])
    node.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    node.SetLineStyle(getattr(node, "LineStyleSolid" if series.line else "LineStyleNone"))
    node.SetMarkerStyle(getattr(node, "MarkerStyleCircle" if series.marker else "MarkerStyleNone"))
    node.SetColor(*series.color)
    return table, node
