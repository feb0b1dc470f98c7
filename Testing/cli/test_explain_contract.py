"""`lesionlens explain` by the public contract: files, fields, exit codes, the numbers of the prediction."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from predict_files import PredictCall, PredictFiles, ball, make_case, report_of, result_of, tumour_ras
from sarcoma_cases import GRID
from tiny_outcome_model import changed_model

from LesionLensLib.cli.main import main
from LesionLensLib.display.polydata import point_arrays_of, points_of
from LesionLensLib.explain.surface.surface_files import read_surface
from LesionLensLib.images import Volume, read_volume


def explain(call: PredictCall, *extra: str) -> list[str]:
    return ["explain", *call.arguments()[1:], *extra]


def rows_of(output: Path) -> list[dict[str, str]]:
    with (output / "regions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def explained(
    pet_ct_files: dict[str, Path], tiny_outcome_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    call = PredictFiles(make_case(), pet_ct_files, tmp_path_factory.mktemp("whole"), tiny_outcome_model).call()
    assert main(explain(call, "--size-mm=12", "--per-channel")) == 0
    return call.output


def test_the_folder_holds_what_the_contract_names(explained: Path) -> None:
    names = {path.name for path in explained.iterdir()}
    assert names >= {"map.nrrd", "map-PET.nrrd", "map-CT.nrrd", "regions.csv", "surface.vtp", "report.json"}
    result = result_of(explained)
    assert result["method"] == "occlusion"
    assert set(result["peak"]) == {"ras", "value", "region"}
    assert 0 < result["probability"] < 1
    checks = result["validity"]
    assert {"deletion_auc", "insertion_auc", "random_weights_correlation", "stability", "text"} <= set(checks)
    assert -1 <= checks["random_weights_correlation"] <= 1
    settings = report_of(explained)["settings"]
    assert (settings["size_mm"], settings["fill"]) == (12.0, "local-mean")


def test_maps_lie_on_the_grid_of_the_reference_image_with_their_peak_where_the_report_says(explained: Path) -> None:
    impact, result = read_volume(explained / "map.nrrd"), result_of(explained)
    assert impact.grid.is_close(GRID)
    assert impact.grid.is_left_handed
    assert impact.array.dtype == np.float32
    i, j, k = np.rint(impact.grid.ijk_from_ras(np.array(result["peak"]["ras"]))).astype(int)
    here = impact.array[k, j, i]
    assert np.sign(here) == np.sign(result["peak"]["value"])
    assert abs(here) <= abs(result["peak"]["value"]) + 1e-7
    assert abs(here) > 0.3 * abs(result["peak"]["value"]), "sampled between two voxels of the network's grid"


def test_the_regions_are_shells_around_the_lesion_and_share_all_of_the_map(explained: Path) -> None:
    rows = rows_of(explained)
    assert {"label", "name", "volume_ml", "mean", "share"} <= set(rows[0])
    assert [row["label"] for row in rows] == ["1", "3", "4", "5", "0"], "voxels of 4 mm are wider than a rim of 3 mm"
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1.0, abs=1e-4)
    lesion = make_case()["lesion"]
    lesion_ml = np.count_nonzero(lesion.array) * lesion.grid.voxel_ml
    assert float(rows[0]["volume_ml"]) == pytest.approx(lesion_ml, rel=1e-4)


def test_the_surface_lies_around_the_lesion_in_the_colours_of_the_map(explained: Path) -> None:
    surface = read_surface(explained / "surface.vtp")
    assert np.linalg.norm(points_of(surface).mean(0) - tumour_ras()) < 4.0
    arrays = point_arrays_of(surface)
    assert arrays["impact"].shape == (surface.GetNumberOfPoints(),)
    assert arrays["rgb"].shape == (surface.GetNumberOfPoints(), 3)


def test_what_is_explained_is_the_prediction(predict_files: PredictFiles, explained: Path, tmp_path: Path) -> None:
    """Without mirrored copies, over which a prediction averages as well, the two are one number; else it is said."""
    assert "mirrored copies" in result_of(explained)["text"]
    card = json.loads((predict_files.model / "card.json").read_text())
    single = changed_model(predict_files.model, tmp_path / "single", ensemble={**card["ensemble"], "views": 1})
    call = replace(predict_files.call("predicted"), model=single)
    assert main(call.arguments()) == 0
    other = replace(call, output=predict_files.folder / "explained-single")
    assert main(explain(other, "--size-mm=24", "--surface=none", "--no-checks")) == 0
    assert result_of(other.output)["probability"] == pytest.approx(result_of(call.output)["probability"], abs=1e-5)
    assert "mirrored copies" not in result_of(other.output)["text"]
    assert not (other.output / "surface.vtp").exists()
    assert "map-not-checked" in {finding["code"] for finding in report_of(other.output)["findings"]}
    assert "not checked" in result_of(other.output)["validity"]["text"]


def test_own_regions_and_a_surface_beyond_the_lesion(predict_files: PredictFiles, explained: Path) -> None:
    labels = ball(13.0, tumour_ras()) + 2 * (ball(22.0, tumour_ras()) - ball(13.0, tumour_ras()))
    path = predict_files.written("regions", Volume(labels.astype(np.uint8), GRID))
    call = predict_files.call("own-regions")
    assert main(explain(call, "--size-mm=24", "--no-checks", f"--regions={path}", "--surface=lesion+6mm")) == 0
    rows = rows_of(call.output)
    assert [row["name"] for row in rows] == ["1", "2", "elsewhere"]
    assert float(rows[0]["volume_ml"]) == pytest.approx(ball(13.0, tumour_ras()).sum() * GRID.voxel_ml, rel=1e-4)
    points = points_of(read_surface(call.output / "surface.vtp"))
    plain = points_of(read_surface(explained / "surface.vtp"))
    beyond_mm = np.linalg.norm(points[:, None] - plain[None], axis=-1).min(1)
    # Distances are counted from the centres of the mask's voxels, the plain surface lies half a voxel outside of them.
    assert 6.0 - max(GRID.spacing_mm) / 2 < float(np.median(beyond_mm)) < 6.5


def test_a_point_is_enough_for_a_map_and_the_report_says_what_is_missing(predict_files: PredictFiles) -> None:
    r, a, s = tumour_ras()
    call = replace(predict_files.call("point"), place=("--center", f"{r},{a},{s}"))
    assert main(explain(call, "--size-mm=24", "--no-checks")) == 0
    codes = {finding["code"] for finding in report_of(call.output)["findings"]}
    assert {"no-regions", "no-surface"} <= codes
    assert (call.output / "map.nrrd").exists()
    assert not (call.output / "regions.csv").exists()


def test_smocam_needs_to_know_how_much_the_answer_varies(
    predict_files: PredictFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = predict_files.call("smocam")
    assert main(explain(call, "--method=smocam")) == 2
    assert "sigma" in capsys.readouterr().err
    informed = changed_model(predict_files.model, tmp_path / "informed")
    table = "case,patient,fold,outcome,probability,score,tumour_dice,whole_dice,inside_share\n"
    rows = (f"c{n},p{n},{n % 3},{n % 2},0.5,{score},,,\n" for n, score in enumerate((-1.0, 0.5, 2.0, 0.1)))
    (informed / "predictions.csv").write_text(table + "".join(rows))
    assert main(explain(replace(call, model=informed), "--method=smocam", "--no-checks")) == 0
    result: dict[str, Any] = result_of(call.output)
    assert {"error_over_sigma", "norm", "loss_terms", "iterations"} <= set(result)
    assert read_volume(call.output / "map.nrrd").array.min() >= 0


def test_grad_cam_tells_its_layer_and_has_two_signs(predict_files: PredictFiles) -> None:
    call = predict_files.call("gradcam")
    assert main(explain(call, "--method=gradcam")) == 0
    settings = report_of(call.output)["settings"]
    assert settings["map"] == {"name": "Grad-CAM", "unit": "weight of the features", "signed": True}
    assert len(settings["layer_size"]) == 3
    impact = read_volume(call.output / "map.nrrd").array
    assert np.isfinite(impact).all()
    assert impact.any()


def test_features_have_a_map_for_every_level_of_either_branch(predict_files: PredictFiles) -> None:
    call = predict_files.call("features")
    assert main(explain(call, "--method=features", "--surface=none", "--no-checks")) == 0
    layers = report_of(call.output)["settings"]["layers"]
    assert layers == ["level 1 of PET", "level 1 of CT", "level 2 of PET", "level 2 of CT"]
    maps = {name: read_volume(call.output / f"map-{name.replace(' ', '-')}.nrrd").array for name in layers}
    assert np.array_equal(maps[layers[0]], read_volume(call.output / "map.nrrd").array)
    assert not np.array_equal(maps[layers[0]], maps[layers[1]])


def test_a_network_without_attention_says_so(predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]) -> None:
    call = predict_files.call("attention")
    assert main(explain(call, "--method=attention")) == 2
    assert "has no attention to show" in capsys.readouterr().err
    assert not call.output.exists()


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (("--size-mm=-3",), "A cube cannot be -3.0 mm"),
        (("--size-mm=12", "--stride-mm=20"), "would leave parts of the image out"),
        (("--surface=liver",), "There is no surface liver"),
        (("--target=survival",), "has no output survival"),
        (("--method=magic",), "invalid choice"),
        (("--regions=nowhere.nii.gz",), "nowhere.nii.gz"),
        (("--mask=liver=x.nii.gz",), "explain takes one mask of a kind"),
    ],
)
def test_what_cannot_be_explained_is_said_in_plain_words(
    predict_files: PredictFiles, capsys: pytest.CaptureFixture[str], extra: tuple[str, ...], told: str
) -> None:
    call = predict_files.call("bad")
    assert main(explain(call, *extra)) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not call.output.exists()


def test_without_a_place_nothing_is_explained(predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]) -> None:
    call = replace(predict_files.call("nowhere"), place=())
    assert main(explain(call)) == 2
    assert "The place of the lesion is not given." in capsys.readouterr().err


def test_without_vtk_everything_but_the_surface_is_made(
    predict_files: PredictFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("LesionLensLib.explain.job.run.find_spec", lambda name: None)
    call = predict_files.call("no-vtk")
    assert main(explain(call, "--method=gradcam", "--no-checks")) == 3
    assert "--surface none" in capsys.readouterr().err
    assert main(explain(call, "--method=gradcam", "--no-checks", "--surface=none")) == 0
