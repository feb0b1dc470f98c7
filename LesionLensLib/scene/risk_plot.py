"""The risk of a patient as a chart: its interval and the threshold, beside the risks of the training patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer

from LesionLensLib.inference.training_risks import TrainingRisks
from LesionLensLib.scene.chart import BLUE, GREY, ORANGE, Series, fill_chart
from LesionLensLib.scene.hierarchy import move_into
from LesionLensLib.scene.segmentation import ResultNames, SceneNodes

RISK, ROW = "risk", "row"
# Where the chart shows whom, from below.
PATIENT_ROW, WITHOUT_ROW, WITH_ROW = 0.0, 1.0, 2.0
MARGIN = 0.5


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
    made = [chart, *fill_chart(chart, _all_series(result, training), (RISK, ROW), names)]
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


def _top(training: TrainingRisks | None) -> float:
    return (PATIENT_ROW if training is None else WITH_ROW) + MARGIN


def _rows_in_words(result: Mapping[str, Any], training: TrainingRisks | None) -> str:
    if training is None:
        return "this patient"
    return f"0: this patient; training patients, 1: without, 2: with {result['event']}"
