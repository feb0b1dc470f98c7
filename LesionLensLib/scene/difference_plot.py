"""How far left and right differ in this patient, as a chart over the differences of the training cases.

The asymmetry check of Konate et al., ISBI 2021 (poster): a network that does not see the difference of a patient's
sides puts the predicted point far from the measured one.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import slicer

from LesionLensLib.scene.chart import BLUE, ORANGE, Series, fill_chart
from LesionLensLib.scene.segmentation import ResultNames
from LesionLensLib.scene.words import _

DIFFERENCES_FILE = "differences.csv"
DIFFERENCE, PERCENT = "left less right", "percent"


def add_difference_plot(folder: Path, report: Mapping[str, Any], names: ResultNames) -> list[Any]:
    """Add the chart of an explanation's result folder with its series and tables; return it and them, the chart first.

    Its curves tell how many of 100 training cases have a smaller difference, of the true ones and of the predicted; the
    patient's points lie on them at what was measured, where it was, and at what is predicted. Empty for results that
    compare no sides.
    """
    path, check = folder / DIFFERENCES_FILE, report["result"].get("asymmetry")
    if check is None or not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", names.of(_("Left and right")))
    chart.SetTitle(names.of(_("Left less right,")))
    chart.SetXAxisTitle(_("left less right [{unit}]").format(unit=check["unit"]))
    chart.SetYAxisTitle(_("percent of {count} training cases below").format(count=check["cases"]))
    chart.SetLegendVisibility(True)
    made = [chart, *fill_chart(chart, _all_series(rows, check), (DIFFERENCE, PERCENT), names)]
    for node in made:
        node.SetDescription(f"{names.description} {check['text']}")
    return made


def _all_series(rows: list[dict[str, float]], check: Mapping[str, Any]) -> list[Series]:
    """Return the curves of the training cases and above them the patient's points."""
    percents = [row[PERCENT] for row in rows]
    curves = ((_("True, training cases"), "true", BLUE), (_("Predicted, training cases"), "predicted", ORANGE))
    found = [Series(name, [row[one] for row in rows], percents, color, True, False) for name, one, color in curves]
    points = ((_("This patient, measured"), "measured", BLUE), (_("This patient, predicted"), "predicted", ORANGE))
    for name, one, color in points:
        if check[one] is not None:
            point = (float(check[one]),), (float(check[f"{one}_percentile"]),)
            found.append(Series(name, *point, color, False, True))
    return found
