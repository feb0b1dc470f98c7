"""`lesionlens explain` of a measured number: lesion load, its two sides, and the network that looks at one of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from load_model import CENTRE, PATIENT, head, oblique, trained_load_model, untrained_load_model, write_head

from LesionLensLib.cli.main import main
from LesionLensLib.display.polydata import points_of
from LesionLensLib.explain.surface.surface_files import read_surface
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume, write_volume
from LesionLensLib.inference.hemispheres import brain_centre_ras, side_loads

QUICK = ("--no-checks", "--surface=none")


class Head:
    """The files of a head, and the calls that explain what a model measures in it."""

    def __init__(self, paths: dict[str, Path], model: Path, folder: Path) -> None:
        self.paths, self.model, self.output = paths, model, folder / "result"

    def explain(self, *extra: str, masks: tuple[str, ...] = ("brain", "lesion"), **changed: Path | None) -> int:
        paths = {**self.paths, **changed}
        inputs = [f"--input={role}={paths[role]}" for role in ("T1", "FLAIR") if paths[role] is not None]
        given = [f"--mask={name}={paths[name]}" for name in masks]
        place = ["--model", str(self.model), "--output", str(self.output), "--device=cpu", "--overwrite"]
        return main(["explain", *inputs, *given, *place, *extra])

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.output / "report.json").read_text())
        return report

    @property
    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = self.report["result"]
        return result

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.output / name).open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The head on an oblique, left-handed, anisotropic grid; nobody may write there."""
    return write_head(tmp_path_factory.mktemp("head"), oblique())


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that learned each side's load from that side."""
    return trained_load_model(tmp_path_factory.mktemp("honest") / "model")


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network, deliberately taught the left load as the answer to all questions."""
    return trained_load_model(tmp_path_factory.mktemp("biased") / "model", "left")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of random weights: files and fields are right, the numbers mean nothing."""
    return untrained_load_model(tmp_path_factory.mktemp("untrained") / "model")


@pytest.fixture
def plain(paths: dict[str, Path], untrained: Path, tmp_path: Path) -> Head:
    """The head and the model without training."""
    return Head(paths, untrained, tmp_path)


@pytest.mark.parametrize("method", ["smocam", "occlusion"])
def test_an_honest_network_looks_at_the_left_for_the_left_and_no_warning_is_given(
    paths: dict[str, Path], honest: Path, tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Head(paths, honest, tmp_path)
    assert case.explain(f"--method={method}", "--target=right", "--size-mm=12", *QUICK) == 0
    result = case.result
    assert result["sides"]["verdict"] == "own sides"
    assert result["sides"]["left"]["share_of_map"]["left"] > 0.7
    assert result["sides"]["right"]["share_of_map"]["right"] > 0.7
    assert result["asymmetry"]["follows"] is True
    assert "one-side" not in {finding["code"] for finding in case.report["findings"]}
    assert "both answers" not in capsys.readouterr().err
    assert result["peak"]["ras"][0] > CENTRE[0], "the peak for the right lies on the patient's right"


@pytest.mark.parametrize("method", ["smocam", "occlusion"])
def test_a_network_taught_one_side_for_both_answers_is_shown_to_look_there_alone(
    paths: dict[str, Path], biased: Path, tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Head(paths, biased, tmp_path)
    assert case.explain(f"--method={method}", "--target=right", "--size-mm=12", *QUICK) == 0
    result = case.result
    assert result["sides"]["verdict"] == "one side"
    assert "looks at the left for both answers" in result["sides"]["text"]
    assert result["sides"]["right"]["share_of_map"]["left"] > 0.6
    assert result["peak"]["ras"][0] < CENTRE[0], "the peak for the right lies on the patient's left"
    asymmetry = result["asymmetry"]
    assert (asymmetry["follows"], asymmetry["measured_percentile"]) == (False, 0.0)
    assert abs(asymmetry["predicted"]) < 0.4 * abs(asymmetry["measured"])
    codes = {finding["code"]: finding["severity"] for finding in case.report["findings"]}
    assert (codes["one-side"], codes["difference-missed"]) == ("warning", "warning")
    told = capsys.readouterr().err
    assert "looks at the left for both answers" in told
    assert "does not follow the difference" in told


def test_the_number_has_its_unit_and_its_error_and_is_never_called_a_probability(plain: Head) -> None:
    assert plain.explain("--method=smocam", "--target=left") == 0
    result, report = plain.result, plain.report
    assert "probability" not in json.dumps(result)
    assert (result["unit"], result["output"], result["error_ml"]) == ("ml", "left", 1.0)
    assert result["value_ml"] == pytest.approx(result["sides"]["left"]["value_ml"])
    assert f"at {result['value_ml']:.1f} ± 1.0 ml" in result["text"]
    assert result["text"].startswith("Demonstration weights, simulated outcome.")
    card = json.loads((plain.model / "card.json").read_text())
    assert report["settings"]["sigma"] == pytest.approx(card["regression"]["outputs"][1]["sigma"])
    assert report["settings"]["sigma"] != 1
    assert {"error_over_sigma", "norm", "loss_terms", "iterations"} <= set(result)
    assert {"deletion_auc", "insertion_auc", "random_weights_correlation", "stability"} <= set(result["validity"])


def test_each_target_is_its_own_output_and_total_stands_for_none(plain: Head) -> None:
    values, maps = {}, {}
    for target in (None, "total", "left", "right"):
        assert plain.explain("--method=occlusion", "--size-mm=40", *QUICK, *[f"--target={target}"] * bool(target)) == 0
        values[target], maps[target] = plain.result["value_ml"], read_volume(plain.output / "map.nrrd").array
    assert values[None] == values["total"] == pytest.approx(values["left"] + values["right"], abs=1e-4)
    assert np.array_equal(maps[None], maps["total"])
    assert np.array_equal(maps["left"], read_volume(plain.output / "map-left.nrrd").array)
    assert np.array_equal(maps["right"], read_volume(plain.output / "map-right.nrrd").array)
    assert not np.array_equal(maps["left"], maps["right"])
    assert maps["total"] == pytest.approx(maps["left"] + maps["right"], abs=1e-4), "total is left plus right"


def test_maps_and_regions_lie_on_the_oblique_reference_grid_and_left_is_left(
    plain: Head, paths: dict[str, Path]
) -> None:
    assert plain.explain("--method=occlusion", "--size-mm=40", *QUICK) == 0
    flair, impact = read_volume(paths["FLAIR"]), read_volume(plain.output / "map.nrrd")
    assert flair.grid.is_left_handed
    assert impact.grid.is_close(flair.grid)
    rows = plain.rows("regions.csv")
    assert [row["name"] for row in rows[:2]] == ["left hemisphere", "right hemisphere"]
    assert [row["label"] for row in rows] == ["1", "2", "3", "4", "5", "6", "7", "0"]
    halves = side_loads(read_volume(paths["brain"]), CENTRE[0])
    assert float(rows[0]["volume_ml"]) == pytest.approx(halves.left_ml, rel=0.03)
    assert float(rows[1]["volume_ml"]) == pytest.approx(halves.right_ml, rel=0.03)
    assert float(rows[0]["peak_r"]) < CENTRE[0] < float(rows[1]["peak_r"])
    measured = side_loads(read_volume(paths["lesion"]), CENTRE[0])
    assert plain.result["lesion_mask_ml"]["left"] == pytest.approx(measured.left_ml, abs=0.05)
    assert plain.result["lesion_mask_ml"]["right"] == pytest.approx(measured.right_ml, abs=0.05)
    assert measured.right_ml > 1.5 * measured.left_ml, "of the made-up patient"
    sides = plain.rows("sides.csv")
    assert [(row["output"], float(row["measured_ml"])) for row in sides] == [
        ("left", pytest.approx(measured.left_ml, abs=0.05)), ("right", pytest.approx(measured.right_ml, abs=0.05))
    ]  # fmt: skip


def test_the_same_head_turned_another_way_gives_the_same_answer(
    honest: Path, paths: dict[str, Path], tmp_path: Path
) -> None:
    straight = Grid((64, 72, 60), (2.4, 2.4, 2.4), (-CENTRE[0] - 75.6, -CENTRE[1] - 85.2, CENTRE[2] - 70.8))
    loads = []
    for name, files in (("oblique", paths), ("straight", write_head(tmp_path / "head", straight))):
        case = Head(files, honest, tmp_path / name)
        assert case.explain("--method=gradcam", *QUICK, "--target=right") == 0
        assert "sides" not in case.result, "Grad-CAM cannot tell sides apart behind a flattening"
        assert case.result["asymmetry"]["follows"] is True, "what the answers themselves say is told by every method"
        assert not list(case.output.glob("map-*"))
        loads.append(case.result["value_ml"])
    assert loads[0] == pytest.approx(loads[1], rel=0.1)
    assert loads[0] > 3


def test_the_phantom_with_images_on_grids_of_their_own_is_explained_with_its_own_brain_mask(
    phantom_files: dict[str, Path], untrained: Path, tmp_path: Path
) -> None:
    case = Head(phantom_files, untrained, tmp_path)
    assert case.explain("--method=smocam", "--no-checks", "--surface=lesion") == 0
    assert read_volume(case.output / "map.nrrd").grid.is_close(read_volume(phantom_files["FLAIR"]).grid)
    lesion, brain = (read_volume(phantom_files[name]) for name in ("lesion", "brain"))
    truth = side_loads(lesion, float(brain_centre_ras(brain)[0]))
    assert case.result["lesion_mask_ml"]["left"] == pytest.approx(truth.left_ml, rel=0.1)
    assert case.result["lesion_mask_ml"]["right"] == pytest.approx(truth.right_ml, rel=0.1)
    assert read_surface(case.output / "surface.vtp").GetNumberOfPoints() > 100


def test_without_a_lesion_mask_the_predicted_difference_stands_alone(plain: Head) -> None:
    assert plain.explain("--method=smocam", "--no-checks", masks=("brain",)) == 0
    result = plain.result
    assert result["asymmetry"]["measured"] is None
    assert result["asymmetry"]["follows"] is None
    assert "a mask of all lesions would tell" in result["text"]
    assert "lesion_mask_ml" not in result
    assert [row["name"] for row in plain.rows("regions.csv")] == ["left hemisphere", "right hemisphere", "elsewhere"]
    assert not (plain.output / "surface.vtp").exists()
    assert "no-surface" in {finding["code"] for finding in plain.report["findings"]}
    assert list(plain.rows("sides.csv")[0]) == ["output", "value_ml", "left_share", "right_share"]
    assert [row["percent"] for row in plain.rows("differences.csv")][::20] == ["0", "50", "100"]


def test_the_surface_of_the_brain_carries_the_map(plain: Head) -> None:
    assert plain.explain("--method=gradcam", "--no-checks", "--surface=brain", masks=("brain",)) == 0
    points = points_of(read_surface(plain.output / "surface.vtp"))
    assert points.mean(0) == pytest.approx(CENTRE, abs=2.0)
    assert np.ptp(points, axis=0) == pytest.approx([110, 128, 100], rel=0.06)


def test_a_stripped_image_brings_its_own_brain_and_a_whole_head_is_refused(
    plain: Head, paths: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plain.explain("--method=gradcam", *QUICK, masks=()) == 0
    assert plain.report["settings"]["brain_mask"]["method"] == "stripped image"
    stripped = plain.result["value_ml"]
    found = read_volume(plain.output / "brain.nrrd")
    assert np.array_equal(found.array, read_volume(paths["brain"]).array)
    assert plain.explain("--method=gradcam", *QUICK, masks=("brain",)) == 0
    assert plain.report["settings"]["brain_mask"]["method"] == "given"
    assert plain.result["value_ml"] == stripped
    whole = {}
    for role in ("T1", "FLAIR"):
        volume, whole[role] = read_volume(paths[role]), tmp_path / f"{role}.nii.gz"
        write_volume(volume.with_array(volume.array + np.float32(40)), whole[role])
    assert plain.explain("--method=gradcam", *QUICK, masks=(), **whole) == 2
    assert "cannot find the brain by itself" in capsys.readouterr().err


def test_features_have_a_map_for_every_block_and_no_sides(plain: Head) -> None:
    assert plain.explain("--method=features", *QUICK) == 0
    assert {path.name for path in plain.output.glob("map-*")} == {"map-block-1.nrrd", "map-block-2.nrrd"}
    assert "sides" not in plain.result
    assert list(plain.rows("sides.csv")[0]) == ["output", "value_ml", "measured_ml"]


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (("--target=middle",), "has no output middle"),
        (("--target=middle",), "It has total, left, right"),
        (("--center=0,0,0",), "measures the whole brain, not what lies at a point"),
        (("--method=attention",), "has no attention to show"),
        (("--mask=liver=x.nii.gz",), "explain takes one mask of a kind"),
    ],
)
def test_what_cannot_be_asked_is_said_in_plain_words(
    plain: Head, capsys: pytest.CaptureFixture[str], extra: tuple[str, ...], told: str
) -> None:
    assert plain.explain(*extra, masks=("brain",)) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not plain.output.exists()


def test_an_empty_brain_a_missing_channel_and_a_lesion_elsewhere_are_refused(
    plain: Head, paths: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brain = read_volume(paths["brain"])
    empty = tmp_path / "empty.nii.gz"
    write_volume(brain.with_array(brain.array * 0), empty)
    assert plain.explain(*QUICK, brain=empty) == 2
    assert "The brain mask is empty" in capsys.readouterr().err
    assert plain.explain(*QUICK, lesion=empty) == 2
    assert "is empty" in capsys.readouterr().err
    assert plain.explain(*QUICK, T1=None) == 2
    error = capsys.readouterr().err
    assert "also needs T1" in error
    assert "--input T1=PATH" in error
    grid = brain.grid
    away = Grid(grid.size, grid.spacing_mm, tuple(n + 900 for n in grid.origin_lps), grid.direction_lps)
    elsewhere = tmp_path / "elsewhere.nii.gz"
    write_volume(Volume(head(oblique(), PATIENT)["lesion"].array, away), elsewhere)
    assert plain.explain(*QUICK, lesion=elsewhere) == 2
    assert "covers no voxel of the image" in capsys.readouterr().err


def test_a_patient_without_lesions_on_a_side_is_no_reason_to_blame_the_network(
    biased: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Head(write_head(tmp_path / "head", oblique(), ()), biased, tmp_path)
    assert case.explain("--method=occlusion", *QUICK, "--size-mm=12", masks=("brain",)) == 0
    assert "within the model's error of nothing" in case.result["sides"]["text"]
    assert "Do not take the two answers" not in capsys.readouterr().err
