"""A hospital's study folder in, DICOM objects of the same study out, by the command line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from case_files import ROLES, Call, CaseFiles, check_said, hashes
from dicom_files import write_series
from dicom_results import map_by_dcmqi, report_by_dcmqi, segments_by_dcmqi
from predict_files import PredictFiles

from LesionLensLib.cli.main import main
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume

DESCRIPTIONS = {"T1": "Sag T1 MPRAGE", "T2": "Ax T2 TSE", "FLAIR": "Ax dark-fluid"}


@dataclass(frozen=True)
class Made:
    """A result folder and what was said while it was made."""

    output: Path
    said: str


def number_series(folder: Path, series: str, number: int) -> None:
    for path in folder.glob(f"{series}-*.dcm"):
        data = pydicom.dcmread(path)
        data.SeriesNumber = number
        data.save_as(path)


@pytest.fixture(scope="module")
def study(phantom_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantom as three series in one flat folder, beside a localizer."""
    folder = tmp_path_factory.mktemp("study") / "study"
    for number, role in enumerate(ROLES, start=2):
        image = read_volume(phantom_files[role])
        scan = Volume(np.round(image.array).astype(np.int16), image.grid)
        write_series(scan, folder, description=DESCRIPTIONS[role], series=role)
        number_series(folder, role, number)
    write_series(scan, folder, description="Localizer", series="loc", without=range(3, scan.grid.size[2]))
    number_series(folder, "loc", 1)
    return folder


def call_on(study: Path, case_files: CaseFiles) -> Call:
    call = case_files.call()
    return replace(call, inputs=tuple((role, study) for role in ROLES))


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


@pytest.fixture(scope="module")
def made(
    study: Path, phantom_files: dict[str, Path], tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    """The study segmented once, with DICOM objects."""
    call = call_on(study, CaseFiles(phantom_files, tmp_path_factory.mktemp("made"), tiny_model))
    before, said = hashes(study), io.StringIO()
    with redirect_stderr(said), redirect_stdout(said):
        assert main(call.plus("--dicom").arguments()) == 0
    assert hashes(study) == before
    return Made(call.output, said.getvalue())


def test_a_study_folder_gives_each_channel_its_series_and_dicom_objects_come_out(
    study: Path, made: Made, tmp_path: Path
) -> None:
    assert "For FLAIR the DICOM series 4: Ax dark-fluid (MR, " in made.said
    report = report_of(made.output)
    assert sorted(entry["path"] for entry in report["outputs"] if entry["path"].startswith("dicom/")) == [
        "dicom/probability.dcm", "dicom/report.dcm", "dicom/segmentation.dcm",
    ]  # fmt: skip
    assert len({entry["sha256"] for entry in report["inputs"]}) == 3
    assert "Doe" not in json.dumps(report) + made.said
    ours = read_volume(made.output / "segmentation.seg.nrrd")
    (lesions,), _ = segments_by_dcmqi(made.output / "dicom" / "segmentation.dcm", tmp_path / "s")
    np.testing.assert_array_equal(resample(lesions, ours.grid, "nearest").array != 0, ours.array != 0)
    assert ours.array.any()
    (group,) = report_by_dcmqi(made.output / "dicom" / "report.dcm", tmp_path / "r")["Measurements"]
    values = {item["quantity"]["CodeMeaning"]: float(item["value"]) for item in group["measurementItems"]}
    assert values["Number of lesions"] == report["result"]["lesion_count"]
    assert values["Volume"] == pytest.approx(report["result"]["lesion_volume_ml"], abs=1e-5)
    carried = pydicom.dcmread(made.output / "dicom" / "segmentation.dcm")
    source = pydicom.dcmread(next(study.glob("FLAIR-*.dcm")))
    assert (carried.PatientName, carried.StudyInstanceUID) == (source.PatientName, source.StudyInstanceUID)


def test_the_numbers_are_those_of_the_same_series_named_and_in_folders_of_their_own(
    study: Path, made: Made, case_files: CaseFiles
) -> None:
    alone = case_files.folder / "alone"
    alone.mkdir()
    for path in study.glob("FLAIR-*.dcm"):
        (alone / path.name).write_bytes(path.read_bytes())
    inputs = (("T1", Path(f"{study}#2")), ("T2", Path(f"{study}#{DESCRIPTIONS['T2']}")), ("FLAIR", alone))
    assert main(replace(case_files.call(), inputs=inputs).arguments()) == 0
    reports = [report_of(made.output), report_of(case_files.output)]
    assert reports[0]["result"] == reports[1]["result"]
    assert [entry["sha256"] for entry in reports[0]["inputs"]] == [entry["sha256"] for entry in reports[1]["inputs"]]
    chosen = [sum(one["code"] == "series-chosen" for one in report["findings"]) for report in reports]
    assert chosen == [3, 0]


def test_two_series_that_could_be_a_channel_are_listed_with_a_way_to_name_one(
    study: Path, case_files: CaseFiles, capfd: pytest.CaptureFixture[str]
) -> None:
    twice = case_files.folder / "twice"
    twice.mkdir()
    for path in study.glob("*.dcm"):
        (twice / path.name).write_bytes(path.read_bytes())
    image = read_volume(f"{study}#3")
    write_series(image, twice, description="Cor FLAIR", series="second")
    number_series(twice, "second", 7)
    assert main(call_on(twice, case_files).arguments()) == 2
    said = capfd.readouterr().err
    check_said(said, "2 series in twice could be FLAIR: 4: Ax dark-fluid (MR, ")
    assert "7: Cor FLAIR (MR, " in said
    assert "FLAIR=twice#4" in said
    assert not case_files.output.exists()


def test_without_a_dicom_series_the_wish_for_dicom_is_refused_before_the_work(
    case_files: CaseFiles, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(case_files.call().plus("--dicom").arguments()) == 2
    check_said(capfd.readouterr().err, "the FLAIR image, is no DICOM series")
    assert not case_files.output.exists()


def test_without_highdicom_the_wish_for_dicom_tells_how_to_install_it(
    study: Path, case_files: CaseFiles, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("LesionLensLib.dicom_out.wish.find_spec", lambda name: None)
    assert main(call_on(study, case_files).plus("--dicom").arguments()) == 3
    said = capfd.readouterr().err
    check_said(said, "highdicom, which is not installed")
    assert "pip install 'lesionlens[dicom]'" in said


def test_predictions_and_explanations_become_objects_of_the_study_of_the_ct(
    predict_files: PredictFiles, tmp_path: Path
) -> None:
    ct = predict_files.volumes["CT"]
    series = write_series(Volume(np.round(ct.array).astype(np.int16), ct.grid), tmp_path / "ct", description="CT")
    for path in series.iterdir():
        data = pydicom.dcmread(path)
        data.Modality = "CT"
        data.save_as(path)
    call = predict_files.call().with_input("CT", series).plus("--dicom")
    assert main(call.arguments()) == 0
    result = report_of(call.output)["result"]
    (group,) = report_by_dcmqi(call.output / "dicom" / "report.dcm", tmp_path / "r")["Measurements"]
    values = [float(item["value"]) for item in group["measurementItems"]]
    assert result["probability"] in values
    assert result["tumour_volume_ml"] in values
    outline = read_volume(call.output / "segmentation.seg.nrrd")
    (tumour,), _ = segments_by_dcmqi(call.output / "dicom" / "segmentation.dcm", tmp_path / "s")
    np.testing.assert_array_equal(resample(tumour, outline.grid, "nearest").array != 0, outline.array != 0)
    explain = [*replace(call, output=tmp_path / "why").arguments(), "--method=gradcam", "--surface=none", "--no-checks"]
    assert main(["explain", *explain[1:]]) == 0
    ours = read_volume(tmp_path / "why" / "map.nrrd")
    shown, described = map_by_dcmqi(tmp_path / "why" / "dicom" / "map.dcm", tmp_path / "m")
    np.testing.assert_array_equal(resample(shown, ours.grid, "nearest").array.astype(np.float32), ours.array)
    assert described["QuantityValueCode"]["CodeMeaning"] == "Gradient-weighted class activation"
    assert sorted(path.name for path in (tmp_path / "why" / "dicom").iterdir()) == ["lesion.dcm", "map.dcm"]


def test_highdicom_and_pydicom_are_not_loaded_before_somebody_needs_them() -> None:
    rooms = ("cli.explain", "inference.segment", "inference.predict", "explain.job.run")
    names = ", ".join(f"LesionLensLib.{room}" for room in rooms)
    code = f"import sys, {names}; print(sorted({{'highdicom', 'pydicom'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
