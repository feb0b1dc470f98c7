"""In the application the names and titles of a result come in its language; keys and the report stay as they are."""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from result_case import ResultCase, make_case, oblique_grid

from LesionLensLib.inference.training_risks import TrainingRisks
from LesionLensLib.scene.words import _

MODEL = "tiny-outcome (DEMONSTRATION WEIGHTS, SIMULATED OUTCOME)"
REPORT = {
    "model": {"id": "tiny-outcome", "evidence": "simulated"},
    "result": {
        "event": "metastasis", "probability": 0.3, "threshold": 0.5, "interval": [0.2, 0.6],
        "text": "The sentence of the report.",
    },
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The texts that the application was asked for, with the file that asked; its language is one of capitals.

    The file is found as Slicer's `slicer.i18n.tr` finds it for the context: that of the frame which calls `tr`.
    """
    texts: dict[str, Path] = {}

    def tr(text: str) -> str:
        caller = inspect.currentframe().f_back  # type: ignore[union-attr]
        texts[text] = Path(inspect.getsourcefile(caller) or "")  # type: ignore[arg-type]
        return "".join(part if part.startswith("{") else part.upper() for part in re.split(r"(\{\w+\})", text))

    module = types.ModuleType("slicer.i18n")
    module.tr = tr  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slicer.i18n", module)
    return texts


def test_without_a_translation_a_text_stays_as_it_is(slicer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "slicer.i18n", None)  # what an import finds where there is no such module
    assert _("Risk of {event},") == "Risk of {event},"


def test_a_chart_speaks_the_language_of_the_application(
    show: Callable[..., Any], left_handed: ResultCase, asked: dict[str, Path]
) -> None:
    from LesionLensLib.scene.risk_plot import add_risk_plot

    chart = add_risk_plot(show(left_handed), REPORT, TrainingRisks((0.1, 0.2), (0.7,)))
    assert chart.GetName() == f"RISK PLOT {MODEL}"
    assert chart.GetTitle() == f"RISK OF metastasis, {MODEL}"
    assert chart.GetXAxisTitle() == "PROBABILITY OF metastasis"
    assert chart.GetYAxisTitle() == "0: THIS PATIENT; TRAINING PATIENTS, 1: WITHOUT, 2: WITH metastasis"
    series = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [one.GetName() for one in series] == [
        "THRESHOLD", "WITHOUT metastasis (TRAINING PATIENTS)", "WITH metastasis (TRAINING PATIENTS)", "95 % INTERVAL",
        "THIS PATIENT",
    ]  # fmt: skip
    assert series[0].GetTableNode().GetName() == f"THRESHOLD, TABLE {MODEL}"
    assert {(one.GetXColumnName(), one.GetYColumnName()) for one in series} == {("risk", "row")}
    assert chart.GetDescription().endswith("The sentence of the report.")
    assert chart.GetAttribute("LesionLens.Evidence") == "simulated"


def test_the_nodes_of_a_result_speak_it_and_what_is_looked_up_again_does_not(
    slicer: Any, show: Callable[..., Any], tmp_path: Path, asked: dict[str, Path]
) -> None:
    from LesionLensLib.scene.hierarchy import subject_hierarchy
    from LesionLensLib.scene.segments import segment_ids

    case = make_case(tmp_path / "case", oblique_grid(left_handed=True), evidence="untrained")
    nodes = show(case)
    assert [node.GetName() for node in nodes.data_nodes] == [
        f"{what} rsanet-ms (UNTRAINED){rest}" for what, rest in (
            ("LESIONS", ""), ("LESION PROBABILITY", ""), ("LESION TABLE", ""), ("REPORT", ", RESEARCH USE ONLY"),
            ("HEAD SURFACE", ""),
        )
    ]  # fmt: skip
    assert subject_hierarchy().GetItemName(nodes.folder_item) == "rsanet-ms ON FLAIR (UNTRAINED)"
    assert "RESEARCH USE ONLY; NOT A MEDICAL DEVICE." in nodes.probability.GetDescription()
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(nodes.probability)
    assert legend.GetTitleText() == "PROBABILITY"
    column = nodes.table.GetTable().GetColumn(1).GetName()
    assert column == "volume_ml"
    assert nodes.table.GetColumnTitle(column) == "VOLUME"
    assert nodes.table.GetColumnDescription(column) == "VOLUME OF THE LESION"
    assert segment_ids(nodes.segmentation) == ["lesion"]
    assert json.loads(nodes.report.GetText()) == json.loads((case.folder / "report.json").read_text(encoding="utf-8"))


def test_every_text_is_asked_for_by_the_file_that_it_stands_in(
    show: Callable[..., Any], left_handed: ResultCase, asked: dict[str, Path]
) -> None:
    """Slicer takes the file for the context of a text: asked from another, no translation would be found."""
    from LesionLensLib.scene.risk_plot import add_risk_plot

    add_risk_plot(show(left_handed), REPORT, None)
    assert {path.stem for path in asked.values()} >= {"risk_plot", "chart", "segmentation", "tables", "probability"}
    strangers = [text for text, path in asked.items() if f'_("{text}")' not in path.read_text(encoding="utf-8")]
    assert strangers == []
