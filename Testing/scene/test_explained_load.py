"""The scene of an explained lesion load: maps of both sides, their table, and the chart of their difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="the network that is explained needs torch")

from load_model import CENTRE, oblique, untrained_load_model, write_head

from LesionLensLib.cli.main import main
from LesionLensLib.scene.build import build_scene
from LesionLensLib.scene.bundle import write_bundle
from LesionLensLib.scene.compare import describe_scene, differences

NOTE = "demonstration weights, simulated outcome"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of a head on an oblique, left-handed grid, and `result`, what the command line makes of them."""
    folder = tmp_path_factory.mktemp("load")
    paths = write_head(folder / "head", oblique())
    model = untrained_load_model(folder / "model")
    inputs = [f"--input={role}={paths[role]}" for role in ("T1", "FLAIR")]
    masks = [f"--mask={name}={paths[name]}" for name in ("brain", "lesion")]
    rest = ["--model", str(model), "--output", str(folder / "result"), "--device=cpu", "--progress=none"]
    assert main(["explain", "--method=smocam", "--target=left", "--no-checks", *inputs, *masks, *rest]) == 0
    return {**paths, "result": folder / "result"}


def build(case: dict[str, Path]) -> Any:
    images = {role: case[role] for role in ("T1", "FLAIR")}
    return build_scene(case["result"], images, "FLAIR", case["brain"], {})


def named(nodes: Any, words: str) -> Any:
    (found,) = [node for node in nodes.others if node.GetName().startswith(words)]
    return found


def points_of(chart: Any) -> dict[str, list[tuple[float, float]]]:
    points = {}
    for index in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(index)
        table = series.GetTableNode().GetTable()
        x, y = (table.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName()))
        points[series.GetName()] = [(x.GetValue(row), y.GetValue(row)) for row in range(table.GetNumberOfRows())]
    return points


def test_the_chart_shows_the_patient_over_the_differences_of_the_training_cases(
    slicer: Any, case: dict[str, Path]
) -> None:
    chart = named(build(case), "Left and right")
    assert chart.IsA("vtkMRMLPlotChartNode")
    assert NOTE in chart.GetName()
    assert chart.GetXAxisTitle() == "left less right [ml]"
    check = json.loads((case["result"] / "report.json").read_text())["result"]["asymmetry"]
    assert check["text"] in chart.GetDescription()
    series = points_of(chart)
    assert series["This patient, measured"] == [(check["measured"], check["measured_percentile"])]
    assert series["This patient, predicted"] == [(check["predicted"], check["predicted_percentile"])]
    curve = series["True, training cases"]
    assert len(curve) == 41
    assert (curve[0], curve[-1]) == ((-4.0, 0.0), (6.0, 100.0)), "the differences of the made-up training cases"
    assert len(series["Predicted, training cases"]) == 41


def test_without_a_measurement_only_the_predicted_point_is_drawn(
    slicer: Any, case: dict[str, Path], tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(case["result"], tmp_path / "result")
    report = json.loads((tmp_path / "result" / "report.json").read_text())
    report["result"]["asymmetry"] |= {"measured": None, "measured_percentile": None}
    (tmp_path / "result" / "report.json").write_text(json.dumps(report))
    series = points_of(named(build({**case, "result": tmp_path / "result"}), "Left and right"))
    assert "This patient, measured" not in series
    assert "This patient, predicted" in series


def test_both_maps_and_the_table_of_sides_stand_in_the_folder_of_the_result(slicer: Any, case: dict[str, Path]) -> None:
    from LesionLensLib.scene.hierarchy import nodes_in

    nodes = build(case)
    names = {node.GetName().split(" tiny-load")[0] for node in nodes_in(nodes.folder_item)}
    maps = {"SMOCAM mask", "SMOCAM mask of left", "SMOCAM mask of right"}
    assert names >= maps | {"Regions", "Sides", "Left and right", "Report", "Brain surface", "Coloured surface"}
    table = named(nodes, "Sides").GetTable()
    assert [table.GetValueByName(row, "output").ToString() for row in (0, 1)] == ["left", "right"]
    shares = [table.GetValueByName(0, f"{side}_share").ToDouble() for side in ("left", "right")]
    assert sum(shares) == pytest.approx(1.0, abs=1e-5)
    regions = nodes.table.GetTable()
    assert regions.GetValueByName(0, "name").ToString() == "left hemisphere"
    assert regions.GetValueByName(0, "peak_r").ToDouble() < CENTRE[0]
    left, asked = (slicer.util.arrayFromVolume(named(nodes, f"SMOCAM mask{of} tiny")) for of in (" of left", ""))
    assert np.array_equal(left, asked)
    volumes = slicer.modules.volumerendering.logic()
    shown = volumes.GetFirstVolumeRenderingDisplayNode(named(nodes, "SMOCAM mask tiny"))
    assert not shown.GetVisibility(), "the coloured surface is shown, and it alone"


def test_chart_and_tables_survive_a_saved_scene(slicer: Any, case: dict[str, Path], tmp_path: Path) -> None:
    before = describe_scene() if build(case) else {}
    points = points_of(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotChartNode"))
    write_bundle(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"), True)
    assert differences(before, describe_scene()) == []
    again = points_of(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotChartNode"))
    assert set(again) == set(points)
    for name, expected in points.items():
        assert np.array(again[name]) == pytest.approx(np.array(expected), abs=1e-3)
