"""The risk of a patient as a chart: its interval and the threshold, beside the risks of the training patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer

from LesionLensLib.inference.training_risks import TrainingRisks
from LesionLensLib.scene.chart import BLUE, GREY, ORANGE, Series, fill_chart
from LesionLensLib.scene.hierarchy import move_into
from LesionLensLib.scene.segmentation import ResultNames, SceneNodes
from LesionLensLib.scene.words import _

RISK, ROW = "risk", "row"
# Where the chart shows whom, from below.
PATIENT_ROW, WITHOUT_ROW, WITH_ROW = 0.0, 1.0, 2.0
MARGIN = 0.5


def add_risk_plot(nodes: SceneNodes, report: Mapping[str, Any], training: TrainingRisks | None) -> Any:
    """Add a chart node with its series and tables to the folder of a prediction's nodes; return the chart.

    The patient is that of the largest lesion. Without `training` the chart shows interval and threshold alone.
    """
    result, names = report["result"], ResultNames.from_report(report, nodes.reference.GetName())
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", names.of(_("Risk plot")))
    chart.SetTitle(names.of(_("Risk of {event},").format(event=result["event"])))
    chart.SetXAxisTitle(_("probability of {event}").format(event=result["event"]))
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
    found = [Series(_("Threshold"), (threshold,) * 2, (PATIENT_ROW - MARGIN, _top(training)), GREY, True, False)]
    if training is not None:
        without, with_event = _("Without {event} (training patients)"), _("With {event} (training patients)")
        groups = ((without, training.without, WITHOUT_ROW), (with_event, training.with_event, WITH_ROW))
        for title, risks, row in groups:
            if risks:
                name = title.format(event=result["event"])
                found.append(Series(name, risks, (row,) * len(risks), BLUE, False, True))
    if result["interval"] is not None:
        found.append(Series(_("95 % interval"), result["interval"], (PATIENT_ROW,) * 2, ORANGE, True, False))
    return [*found, Series(_("This patient"), (risk,), (PATIENT_ROW,), ORANGE, False, True)]


def _top(training: TrainingRisks | None) -> float:
    return (PATIENT_ROW if training is None else WITH_ROW) + MARGIN


def _rows_in_words(result: Mapping[str, Any], training: TrainingRisks | None) -> str:
    if training is None:
        return _("this patient")
    told = _("0: this patient; training patients, 1: without, 2: with {event}")
    return told.format(event=result["event"])
