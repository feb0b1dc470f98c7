"""Segmented, predicted, explained: a scene file opened elsewhere, by another process, has the results and record."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from result_case import ResultCase
from test_explanation_nodes import write_explanation

pytest.importorskip("slicer", reason="slicer-core is not installed")

from LesionLensLib.scene.bundle import write_bundle
from LesionLensLib.scene.compare import describe_scene, differences
from LesionLensLib.scene.explanation import show_explanation
from LesionLensLib.scene.provenance import (
    MadeFrom,
    chain_of,
    explained_report,
    outlines_of,
    remember_before,
    remember_masks,
    remember_outlines,
    report_on,
)
from LesionLensLib.scene.tables import add_report

REPOSITORY = Path(__file__).resolve().parents[2]
ELSEWHERE = """
import pickle, sys
from LesionLensLib.scene.start import start
slicer = start()
assert slicer.mrmlScene.ReadFromMRB(sys.argv[1], True)
from LesionLensLib.scene.compare import describe_scene
from LesionLensLib.scene.provenance import chain_of
last = slicer.util.getNode(sys.argv[2])
told = [node.GetText() for node in chain_of(last)]
with open(sys.argv[3], "wb") as file:
    pickle.dump((describe_scene(), told), file)
"""
MODEL = {"id": "attention-resnet-brainmet", "sha256": "ab" * 32}


@pytest.fixture
def chain(slicer: Any, show: Any, left_handed: ResultCase, tmp_path: Path) -> dict[str, Any]:
    """A segmentation, a prediction of its lesions with a chart, and the explanation of that, in one scene."""
    from LesionLensLib.scene.chart import BLUE, Series, fill_chart
    from LesionLensLib.scene.segmentation import ResultNames

    segmented = show(left_handed)
    remember_outlines(segmented.report, segmented.segmentation)
    predicted = add_report(f'{{"model": {{"id": "{MODEL["id"]}", "sha256": "{MODEL["sha256"]}"}}}}\r\n', "Risk", "made")
    predicted.SetNodeReferenceID("LesionLens.Image.FLAIR", segmented.reference.GetID())
    remember_masks(predicted, segmented.segmentation, "lesion")
    remember_before(predicted, report_on(segmented.segmentation))
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Risk plot")
    names = ResultNames("m", "FLAIR", "real-data")
    fill_chart(chart, [Series("This patient", (0.25, 0.5), (0.0, 1.0), BLUE, True, True)], ("risk", "row"), names)
    explained = show_explanation(
        write_explanation(left_handed, tmp_path / "explanation"), {"FLAIR": segmented.reference}
    )
    made = MadeFrom({"FLAIR": segmented.reference}, segmented.segmentation, "lesion")
    remember_before(explained.report, explained_report(made, MODEL))
    return {"segmented": segmented, "predicted": predicted, "explained": explained}


def test_the_chain_leads_from_the_explanation_back_to_the_segmentation(chain: dict[str, Any]) -> None:
    expected = [chain["segmented"].report, chain["predicted"], chain["explained"].report]
    assert chain_of(chain["explained"].report) == expected
    assert chain_of(chain["segmented"].report) == expected[:1]


def test_a_scene_file_opened_elsewhere_shows_the_same_results_and_record(
    slicer: Any, chain: dict[str, Any], tmp_path: Path
) -> None:
    before, last = describe_scene(), chain["explained"].report
    told = [node.GetText() for node in chain_of(last)]
    write_bundle(tmp_path / "scene.mrb")
    elsewhere = tmp_path / "another folder"
    elsewhere.mkdir()
    shutil.move(tmp_path / "scene.mrb", elsewhere / "case.mrb")
    shutil.rmtree(tmp_path / "explanation")
    arguments = [str(elsewhere / "case.mrb"), last.GetName(), str(elsewhere / "facts")]
    subprocess.run([sys.executable, "-c", ELSEWHERE, *arguments], check=True, cwd=REPOSITORY, timeout=300)
    after, told_there = pickle.loads((elsewhere / "facts").read_bytes())
    kinds = {name.split()[0] for name in before}
    assert kinds >= {f"vtkMRML{kind}Node" for kind in ("PlotChart", "PlotSeries", "Table", "Model", "ColorTable")}
    surface = next(facts for name, facts in before.items() if "Coloured surface" in name)
    assert len(surface["point array impact"]) == surface["points"] > 100
    assert before["vtkMRMLTextNode Risk"]["reference LesionLens.Lesion"] == ["Lesions rsanet-ms"]
    assert differences(before, after) == []
    assert differences(after, before) == []
    assert len(told) == 3
    assert told_there == told


@pytest.mark.parametrize("change", ["impact", "chart", "reference"])
def test_the_comparison_sees_a_change_of_surface_chart_and_reference(
    slicer: Any, chain: dict[str, Any], change: str
) -> None:
    before = describe_scene()
    if change == "impact":
        model = next(node for node in chain["explained"].others if node.IsA("vtkMRMLModelNode"))
        slicer.util.arrayFromModelPointData(model, "impact")[5] += 0.01
    elif change == "chart":
        slicer.util.getNode("Risk plot").RemoveAllPlotSeriesNodeIDs()
    else:
        chain["predicted"].SetNodeReferenceID("LesionLens.Lesion", chain["explained"].segmentation.GetID()
                                              if chain["explained"].segmentation else None)  # fmt: skip
    assert any(change in line or "series" in line for line in differences(before, describe_scene()))


def test_a_segmentation_that_is_made_anew_is_no_longer_that_of_the_older_report(chain: dict[str, Any]) -> None:
    node = chain["segmented"].segmentation
    newer = add_report("{}", "Newer", "made")
    remember_outlines(newer, node)
    assert report_on(node) is newer
    assert outlines_of(chain["segmented"].report) is None
    assert chain_of(chain["predicted"]) == [chain["segmented"].report, chain["predicted"]], "what was, stays"


def test_only_the_same_answer_of_the_same_weights_counts_as_what_was_explained(chain: dict[str, Any]) -> None:
    made = MadeFrom({"FLAIR": chain["segmented"].reference}, chain["segmented"].segmentation, "lesion")
    assert explained_report(made, MODEL) is chain["predicted"]
    assert explained_report(made, {**MODEL, "sha256": "cd" * 32}) is None
    assert explained_report(MadeFrom(made.images, made.lesion, "other"), MODEL) is None
