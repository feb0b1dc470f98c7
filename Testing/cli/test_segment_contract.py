"""What `lesionlens segment` promises: files, fields, grids, and the same bytes for the same input."""

from __future__ import annotations

import csv
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from case_files import CaseFiles
from dicom_files import write_series
from scipy.spatial.transform import Rotation

from LesionLensLib.catalogue import read_card
from LesionLensLib.cli.main import main
from LesionLensLib.geometry import Grid
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.report import hash_of

IMAGES = ("segmentation.seg.nrrd", "probability.nrrd", "brain.nrrd")


@pytest.fixture(scope="module")
def result(phantom_files: dict[str, Path], tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of the good case, made once; tests only read it."""
    case = CaseFiles(phantom_files, tmp_path_factory.mktemp("contract"), tiny_model)
    assert main(case.call().arguments()) == 0
    return case.output


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def assert_alike(one: np.ndarray, other: np.ndarray) -> None:
    """Check that two probabilities differ by no more than the network's bfloat16 makes of the last digits of a matrix.

    Random weights give a probability that changes wildly from voxel to voxel: a shift of half a voxel would fail.
    """
    inside = (one > 0) | (other > 0)
    assert np.abs(one - other)[inside].mean() < 0.02 * one[inside].std()
    assert np.abs(one - other).max() < 0.1


def test_the_folder_holds_exactly_the_promised_files(result: Path) -> None:
    assert sorted(path.name for path in result.iterdir()) == sorted([*IMAGES, "lesions.csv", "report.json"])


def test_the_report_says_what_was_done_with_what(result: Path, case_files: CaseFiles) -> None:
    report = report_of(result)
    card = read_card(case_files.model)
    assert report["model"] == {
        "id": "tiny-ms", "version": "0.0.1", "sha256": card.weights.sha256, "evidence": "untrained",
        "reference_role": "FLAIR",
    }  # fmt: skip
    assert report["device"] == "cpu"
    assert report["seed"] == 0
    assert report["settings"]["threshold"] == card.threshold
    assert [entry["role"] for entry in report["inputs"]] == ["T1", "T2", "FLAIR"]
    for entry in report["inputs"]:
        assert entry["sha256"] == hash_of(case_files.paths[entry["role"]])
        assert Grid.from_dict(entry["grid"]).is_close(case_files.volume(entry["role"]).grid)
    assert {"model", "read", "check", "prepare", "brain", "network", "measure"} <= set(report["timing"])
    assert report["peak_memory_mb"] > 50
    assert {entry["path"]: entry["sha256"] for entry in report["outputs"]} == {
        name: hash_of(result / name) for name in (*IMAGES, "lesions.csv")
    }


def test_neither_the_report_nor_the_table_knows_a_path_of_this_machine(result: Path, case_files: CaseFiles) -> None:
    for name in ("report.json", "lesions.csv"):
        text = (result / name).read_text()
        assert str(case_files.folder.parent) not in text
        assert str(Path.home()) not in text
        assert str(case_files.model) not in text


def test_segmentation_probability_table_and_report_agree(result: Path) -> None:
    probability = read_volume(result / "probability.nrrd")
    labels = read_volume(result / "segmentation.seg.nrrd")
    report = report_of(result)
    assert probability.array.dtype == np.float32
    assert 0 <= probability.array.min() < probability.array.max() <= 1
    assert set(np.unique(labels.array)) == {0, 1}
    above = (probability.array >= report["settings"]["threshold"]) & (probability.array > 0)
    assert np.array_equal(labels.array != 0, above)
    with (result / "lesions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == report["result"]["lesion_count"] > 0
    volume_ml = above.sum() * labels.grid.voxel_ml
    assert sum(float(row["volume_ml"]) for row in rows) == pytest.approx(volume_ml, abs=1e-5 * len(rows))
    assert report["result"]["lesion_volume_ml"] == pytest.approx(volume_ml, rel=1e-4)
    sizes = [float(row["volume_ml"]) for row in rows]
    assert sizes == sorted(sizes, reverse=True)


def test_the_segmentation_carries_the_labels_of_the_card(result: Path) -> None:
    image = sitk.ReadImage(str(result / "segmentation.seg.nrrd"))
    assert image.GetMetaData("Segment0_ID") == "lesion"
    assert image.GetMetaData("Segment0_Name") == "MS lesion"
    assert image.GetMetaData("Segment0_LabelValue") == "1"


def test_the_same_input_gives_the_same_bytes_twice(result: Path, case_files: CaseFiles) -> None:
    assert main(case_files.call().arguments()) == 0
    for name in (*IMAGES, "lesions.csv"):
        assert (case_files.output / name).read_bytes() == (result / name).read_bytes(), name


def test_results_lie_on_the_native_grid_of_an_oblique_left_handed_anisotropic_reference(case_files: CaseFiles) -> None:
    flair = case_files.volume("FLAIR")
    grid = odd_grid(flair.grid)
    assert grid.is_left_handed
    stored_oddly = resample(flair, grid)
    # The same voxels once more, stored in patient axes: the network must see one and the same head in both.
    stored_usually = resample(stored_oddly, grid.closest_to_lps(), "nearest")
    found = []
    for name, volume in (("odd", stored_oddly), ("usual", stored_usually)):
        path = case_files.folder / f"{name}.nii.gz"
        write_volume(volume, path)
        call = replace(case_files.call().with_input("FLAIR", path), output=case_files.folder / name)
        assert main(call.arguments()) == 0
        written = {file: read_volume(call.output / file) for file in IMAGES}
        for image in written.values():
            assert image.grid.is_close(volume.grid)
        found.append(resample(written["probability.nrrd"], grid, "nearest").array)
    odd, usual = found
    assert (odd > 0).mean() > 0.05
    assert_alike(odd, usual)


def odd_grid(grid: Grid) -> Grid:
    """Return a grid over the same head with permuted, reversed and tilted axes and voxels of 2 x 3.5 x 2.5 mm."""
    tilt = Rotation.from_euler("xyz", [12, -9, 15], degrees=True).as_matrix()
    axes = tilt @ np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]) * [1, -1, 1]
    extent = np.array(grid.size) * grid.spacing_mm
    spacing = np.array([2.0, 3.5, 2.5])
    size = np.ceil(extent[[1, 2, 0]] / spacing).astype(int)
    centre = grid.ijk_to_lps @ np.array([*((np.array(grid.size) - 1) / 2), 1.0])
    origin = centre[:3] - axes * spacing @ ((size - 1) / 2)
    return Grid(tuple(size), tuple(spacing), tuple(origin), tuple(axes.ravel()))


def test_an_image_with_one_frame_in_four_dimensions_is_the_same_image(case_files: CaseFiles, result: Path) -> None:
    path = case_files.folder / "frame.nii.gz"
    sitk.WriteImage(sitk.JoinSeries([case_files.volume("T2").to_sitk()]), str(path))
    assert np.frombuffer(gzip.decompress(path.read_bytes())[40:50], "<i2").tolist()[::4] == [4, 1]
    assert main(case_files.call().with_input("T2", path).arguments()) == 0
    for name in IMAGES:
        assert (case_files.output / name).read_bytes() == (result / name).read_bytes(), name


def test_a_dicom_folder_gives_the_result_of_the_same_image_as_a_file(case_files: CaseFiles) -> None:
    t1 = case_files.volume("T1")
    whole = Volume(np.round(t1.array).astype(np.int16), t1.grid)
    from_file = replace(case_files.call(), output=case_files.folder / "file").with_input(
        "T1", case_files.changed("T1", whole)
    )
    series = write_series(whole, case_files.folder / "series", patient="Roe^Richard")
    from_dicom = replace(case_files.call(), output=case_files.folder / "dicom").with_input("T1", series)
    assert main(from_file.arguments()) == 0
    assert main(from_dicom.arguments()) == 0
    one, other = (read_volume(call.output / "probability.nrrd") for call in (from_file, from_dicom))
    assert_alike(one.array, other.array)
    entry = report_of(from_dicom.output)["inputs"][0]
    assert entry["sha256"] == hash_of(series)
    for path in from_dicom.output.iterdir():
        assert b"Roe" not in path.read_bytes()
        assert b"Richard" not in path.read_bytes()


def test_a_given_brain_mask_bounds_the_probability_and_is_reported(case_files: CaseFiles) -> None:
    brain = case_files.volume("brain")
    assert main(case_files.call().plus("--mask", f"brain={case_files.paths['brain']}").arguments()) == 0
    report = report_of(case_files.output)
    assert report["settings"]["brain_mask"]["method"] == "given"
    volume_ml = float((brain.array != 0).sum()) * brain.grid.voxel_ml
    assert report["settings"]["brain_mask"]["volume_ml"] == pytest.approx(volume_ml, rel=0.02)
    assert [entry["role"] for entry in report["inputs"]] == ["T1", "T2", "FLAIR", "brain"]
    probability = read_volume(case_files.output / "probability.nrrd")
    near = sitk.GetArrayFromImage(sitk.BinaryDilate(brain.to_sitk(), [2, 2, 2]))
    assert probability.array[near == 0].max() == 0
    assert probability.array[brain.array != 0].max() > 0


def test_threshold_and_smallest_volume_change_the_segmentation_as_they_say(case_files: CaseFiles, result: Path) -> None:
    probability = read_volume(result / "probability.nrrd")
    threshold = float(np.quantile(probability.array[probability.array > 0], 0.97))
    call = case_files.call().plus("--threshold", repr(threshold), "--min-volume-ml", "0.5")
    assert main(call.arguments()) == 0
    labels = read_volume(case_files.output / "segmentation.seg.nrrd")
    assert np.all(probability.array[labels.array != 0] >= threshold)
    with (case_files.output / "lesions.csv").open() as stream:
        volumes = [float(row["volume_ml"]) for row in csv.DictReader(stream)]
    assert volumes
    assert min(volumes) >= 0.5
    assert report_of(case_files.output)["settings"]["min_volume_ml"] == 0.5


def test_a_transform_undoes_a_shift_written_into_the_header(case_files: CaseFiles, result: Path) -> None:
    moved = case_files.moved("T2", 30.0)
    transform = case_files.folder / "t2.tfm"
    sitk.WriteTransform(sitk.TranslationTransform(3, (30.0, 0.0, 0.0)), str(transform))
    call = case_files.call().with_input("T2", moved).plus("--transform", f"T2={transform}")
    assert main(call.arguments()) == 0
    usual, undone = (read_volume(folder / "probability.nrrd").array for folder in (result, case_files.output))
    assert_alike(usual, undone)
    described = report_of(case_files.output)["settings"]["transforms"]
    assert described["T2"] == {"source": "file", "sha256": hash_of(transform)}
    assert described["T1"] == {"source": "headers"}


def test_registration_finds_a_shift_and_leaves_the_transform_with_the_results(case_files: CaseFiles) -> None:
    call = case_files.call().with_input("T2", case_files.moved("T2", 6.0)).plus("--register")
    assert main(call.arguments()) == 0
    transform = sitk.ReadTransform(str(case_files.output / "transforms" / "T2.tfm"))
    grid = case_files.volume("FLAIR").grid
    centre = (grid.ijk_to_lps @ np.array([*((np.array(grid.size) - 1) / 2), 1.0]))[:3]
    shift = np.array(transform.TransformPoint(centre.tolist())) - centre
    assert shift == pytest.approx([6.0, 0.0, 0.0], abs=1.5)
    described = report_of(case_files.output)["settings"]["transforms"]["T2"]
    assert described == {"source": "rigid registration", "path": "transforms/T2.tfm"}


def test_overwriting_replaces_an_earlier_result_and_only_when_asked(case_files: CaseFiles) -> None:
    assert main(case_files.call().arguments()) == 0
    first = report_of(case_files.output)
    assert main(case_files.call().plus("--threshold", "0.9").arguments()) == 2
    assert report_of(case_files.output) == first
    assert main(case_files.call().plus("--threshold", "0.9", "--overwrite").arguments()) == 0
    assert report_of(case_files.output)["settings"]["threshold"] == 0.9
    assert [path.name for path in case_files.folder.iterdir()] == [case_files.output.name]


def test_a_job_file_gives_the_same_result_as_the_options(
    case_files: CaseFiles, result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = case_files.call()
    inputs = tuple((role, str(path)) for role, path in call.inputs)
    job = SegmentJob(inputs=inputs, output=str(call.output), model=str(call.model), device="cpu")
    file = case_files.file("job.json", job.to_json().encode())
    assert main(["run", str(file), "--progress", "json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events][-1] == "result"
    assert events[-1]["report"] == report_of(call.output)
    fractions = [event["fraction"] for event in events if event["event"] == "progress"]
    assert fractions[0] == 0
    assert fractions[-1] == 1
    for name in IMAGES:
        assert (call.output / name).read_bytes() == (result / name).read_bytes()


def test_the_table_on_standard_output_names_every_file(
    case_files: CaseFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(case_files.call().arguments()) == 0
    text = capsys.readouterr().out
    report = report_of(case_files.output)
    for entry in (*report["outputs"], {"path": "report.json"}):
        assert str(case_files.output / entry["path"]) in text
    assert f"{report['result']['lesion_volume_ml']:.3f}" in text


def test_a_reference_on_another_type_of_file_gives_the_same_segmentation(case_files: CaseFiles, result: Path) -> None:
    path = case_files.folder / "flair.nrrd"
    write_volume(case_files.volume("FLAIR"), path)
    assert main(case_files.call().with_input("FLAIR", path).arguments()) == 0
    one, other = (read_volume(folder / "probability.nrrd") for folder in (result, case_files.output))
    assert one.grid.is_close(other.grid)
    assert_alike(one.array, other.array)


@pytest.mark.scene
def test_with_scene_the_pictures_and_the_scene_file_belong_to_the_results(case_files: CaseFiles) -> None:
    assert main(case_files.call().plus("--scene").arguments()) == 0
    report = report_of(case_files.output)
    paths = {entry["path"] for entry in report["outputs"]}
    assert "scene.mrb" in paths
    if any(finding["code"] == "scene-incomplete" for finding in report["findings"]):
        if os.environ.get("LESIONLENS_REQUIRE_RENDERER"):
            pytest.fail("no renderer works here although one is required")
        pytest.skip("no renderer works here: install libegl1 and libgl1-mesa-dri, or libosmesa6")
    assert {"views/axial.png", "views/coronal.png", "views/sagittal.png", "views/threed.png"} <= paths
    for entry in report["outputs"]:
        assert hash_of(case_files.output / entry["path"]) == entry["sha256"]


@pytest.mark.scene
def test_without_a_renderer_only_the_pictures_are_missing_and_the_package_is_named(
    case_files: CaseFiles, result: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "vtkXOpenGLRenderWindow")
    monkeypatch.delenv("DISPLAY", raising=False)
    assert main(case_files.call().plus("--scene").arguments()) == 0
    said = capsys.readouterr().err
    assert "libegl1" in said
    assert "warning: " in said
    report = report_of(case_files.output)
    assert "scene-incomplete" in [finding["code"] for finding in report["findings"]]
    assert sorted(path.name for path in case_files.output.iterdir()) == sorted(
        [*IMAGES, "lesions.csv", "report.json", "scene.mrb"]
    )
    assert (case_files.output / IMAGES[0]).read_bytes() == (result / IMAGES[0]).read_bytes()
