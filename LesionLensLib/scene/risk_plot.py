"""The risk of a patient as a chart: its interval and the threshold, beside the risks of the training patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import slicer
import vtk

from LesionLensLib.inference.training_risks import TrainingRisks
from LesionLensLib.scene.hierarchy import move_into
from LesionLensLib.scene.segmentation import ResultNames, SceneNodes

RISK, ROW = "risk", "row"
# Where the chart shows whom, from below.
PATIENT_ROW, WITHOUT_ROW, WITH_ROW = 0.0, 1.0, 2.0
MARGIN = 0.5
BLUE, ORANGE, GREY = (0.0, 0.45, 0.7), (0.84, 0.37, 0.0), (0.4, 0.4, 0.4)


@dataclass(frozen=True)
class Series:
    """One line of a chart: points in `x` (risk) and `y` (row); `line` joins them, `marker` shows each."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: tuple[float, float, float]
    line: bool
    marker: bool


def add_risk_plot(nodes: SceneNodes, report: Mapping[str, Any], training: TrainingRisks | None) -> Any:
    """Add a chart node with its series and tables to the folder of a prediction's nodes; return the chart.

    The patient is that of the largest lesion. Without `training` the chart shows interval and threshold alone.
    """
    result, names = report["result"], ResultNames.from_report(report, nodes.reference.GetName())
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", names.of("Risk plot"))
    chart.SetTitle(names.of(f"Risk of {result['event']},"))
    chart.SetXAxisTitle(f"probability of {result['event']}")
    chart.SetYAxisTitle(_rows_in_words(result, training))
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(0.0, 1.0)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(PATIENT_ROW - MARGIN, _top(training))
    chart.SetLegendVisibility(True)
    made = [chart]
    for series in _all_series(result, training):
        table, node = _add_series(series, names)
        chart.AddAndObservePlotSeriesNodeID(node.GetID())
        made += [table, node]
    for node in made:
        node.SetDescription(f"{names.description} {result['text']}")
        node.SetAttribute("LesionLens.Model", names.model)
        node.SetAttribute("LesionLens.Evidence", names.evidence)
    move_into(nodes.folder_item, made)
    return chart


def _all_series(result: Mapping[str, Any], training: TrainingRisks | None) -> list[Series]:
    """Return what the chart holds, the patient last so that he lies above all else."""
    threshold, risk = float(result["threshold"]), float(result["probability"])
    found = [Series("Threshold", (threshold,) * 2, (PATIENT_ROW - MARGIN, _top(training)), GREY, True, False)]
    if training is not None:
        for name, risks, row in (("Without", training.without, WITHOUT_ROW), ("With", training.with_event, WITH_ROW)):
            if risks:
                title = f"{name} {result['event']} (training patients)"
                found.append(Series(title, risks, (row,) * len(risks), BLUE, False, True))
    if result["interval"] is not None:
        found.append(Series("95 % interval", result["interval"], (PATIENT_ROW,) * 2, ORANGE, True, False))
    return [*found, Series("This patient", (risk,), (PATIENT_ROW,), ORANGE, False, True)]


def _add_series(series: Series, names: ResultNames) -> tuple[Any, Any]:
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", names.of(f"{series.name}, table"))
    for column, values in ((RISK, series.x), (ROW, series.y)):
        array = vtk.vtkDoubleArray()
        array.SetName(column)
        for value in values:
            array.InsertNextValue(value)
        table.AddColumn(array)
    table.SetLocked(True)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", series.name)
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetXColumnName(RISK)
    node.SetYColumnName(ROW)
    node.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    node.SetLineStyle(getattr(node, "LineStyleSolid" if series.line else "LineStyleNone"))
    node.SetMarkerStyle(getattr(node, "MarkerStyleCircle" if series.marker else "MarkerStyleNone"))
    node.SetColor(*series.color)
    return table, node


def _top(training: TrainingRisks | None) -> float:
    return (PATIENT_ROW if training is None else WITH_ROW) + MARGIN


def _rows_in_words(result: Mapping[str, Any], training: TrainingRisks | None) -> str:
    if training is None:
        return "this patient"
    return f"0: this patient; training patients, 1: without, 2: with {result['event']}"
