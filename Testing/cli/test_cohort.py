"""`lesionlens cohort` without Dask, one case after the other: the table, bad cases, and what is done again."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from case_files import check_said, hashes
from cohort_cases import CohortFiles, all_but_times, write_cohort
from tiny_outcome_model import changed_model

from LesionLensLib.cli.main import main
from LesionLensLib.cohort import work
from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.jobs import CaseJob
from LesionLensLib.progress import Progress

PREDICTED = ["probability", "low", "high", "class", "typicality_percentile"]


@pytest.fixture(scope="module")
def finished(tiny_outcome_model: Path, tmp_path_factory: pytest.TempPathFactory) -> CohortFiles:
    """A cohort of three that was run once; tests copy it."""
    files = write_cohort(tmp_path_factory.mktemp("cohort"), tiny_outcome_model, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("LesionLensLib.cohort.engine.find_spec", lambda name: None)
        assert main(files.arguments()) == 0
    return files


@pytest.fixture
def cohort(finished: CohortFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CohortFiles:
    """The finished cohort, results and all, in a folder of its own; Dask cannot be found."""
    monkeypatch.setattr("LesionLensLib.cohort.engine.find_spec", lambda name: None)
    folder = tmp_path / "cohort"
    shutil.copytree(finished.manifest.parent, folder)
    return CohortFiles(folder / finished.manifest.name, finished.model, folder / "results")


def test_every_case_has_a_result_folder_and_a_line_in_the_order_of_the_manifest(finished: CohortFiles) -> None:
    rows = finished.rows()
    assert [(row["case"], row["patient"], row["status"], row["error"]) for row in rows] == [
        ("case0", "patient0", "done", ""), ("case1", "patient0", "done", ""), ("case2", "patient1", "done", ""),
    ]  # fmt: skip
    assert list(rows[0])[:10] == ["case", "patient", "status", "error", "seconds", *PREDICTED]
    for row in rows:
        result = json.loads((finished.output / row["case"] / "report.json").read_text())["result"]
        assert float(row["probability"]) == result["probability"]
        assert [float(row["low"]), float(row["high"])] == result["interval"]
        assert row["class"] == result["class"]
        assert float(row["typicality_percentile"]) == result["typicality"]["percentile"]
        assert float(row["seconds"]) > 0
    assert len({row["probability"] for row in rows}) == 3
    assert sorted(path.name for path in finished.output.iterdir()) == [
        "case0", "case1", "case2", "cohort-report.json", "cohort.csv",
    ]  # fmt: skip


def test_the_report_counts_cases_and_names_model_and_settings_and_no_path(finished: CohortFiles) -> None:
    report = finished.report()
    assert report["cases"] == {"total": 3, "done": 3, "error": 0, "pending": 0}
    assert (report["state"], report["patients"], report["run"]["computed"]) == ("finished", 2, 3)
    assert report["model"]["id"] == "tiny-chmfl"
    assert report["settings"]["device"] == "cpu"
    text = (finished.output / "cohort-report.json").read_text() + (finished.output / "cohort.csv").read_text()
    assert str(finished.manifest.parent) not in text


def test_a_case_alone_gives_the_same_as_in_a_cohort(finished: CohortFiles, tmp_path: Path) -> None:
    images = finished.manifest.parent / "images" / "case1"
    given = [f"--input={role}={images / role}.nii.gz" for role in ("PET", "CT")]
    place = ["--mask", f"lesion={images}/lesion.nii.gz", "--device", "cpu", "--progress", "none"]
    call = ["predict", *given, *place, "--model", str(finished.model), "--output", str(tmp_path / "alone")]
    assert main(call) == 0
    folders = (tmp_path / "alone", finished.output / "case1")
    alone, among = (json.loads((folder / "report.json").read_text()) for folder in folders)
    assert alone["result"] == among["result"]
    assert alone["outputs"] == among["outputs"]


def test_a_bad_case_stops_no_other_and_its_line_says_what_to_do(
    cohort: CohortFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    images = cohort.manifest.parent / "images"
    (images / "case0" / "PET.nii.gz").write_bytes(b"no image at all")
    (images / "case1" / "lesion.nii.gz").unlink()
    assert main(cohort.arguments("--overwrite")) == 0
    assert cohort.statuses() == ["error", "error", "done"]
    bad, missing, good = cohort.rows()
    assert "PET" in bad["error"]
    assert "lesion.nii.gz does not exist" in missing["error"]
    assert "Correct its path" in missing["error"]
    assert (bad["probability"], good["error"]) == ("", "")
    assert sorted(path.name for path in cohort.output.iterdir() if path.is_dir()) == ["case2"]
    assert [(entry["case"], entry["code"]) for entry in cohort.report()["errors"]] == [("case0", 2), ("case1", 2)]
    said = capsys.readouterr().err
    assert "warning: case0: " in said
    assert "warning: case1: " in said


def test_where_no_case_has_a_result_the_code_is_that_of_the_first(cohort: CohortFiles) -> None:
    for path in (cohort.manifest.parent / "images").rglob("CT.nii.gz"):
        path.unlink()
    assert main(cohort.arguments("--overwrite")) == 2
    assert cohort.statuses() == ["error"] * 3


def test_a_fault_of_ours_in_one_case_is_told_with_its_place_and_without_a_path(
    cohort: CohortFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    from LesionLensLib.inference import predict

    real = predict.find_card
    calls = iter([True, False, False])

    def fails_once(model: str) -> object:
        return 1 / 0 if next(calls) else real(model)

    monkeypatch.setattr(predict, "find_card", fails_once)
    assert main(cohort.arguments("--overwrite")) == 0
    assert cohort.statuses() == ["error", "done", "done"]
    (error,) = cohort.report()["errors"]
    assert (error["code"], error["message"]) == (1, "LesionLens failed in a way it should not (ZeroDivisionError).")
    assert "fails_once" in error["detail"]
    assert str(Path(__file__).parent) not in error["detail"]


def test_resume_of_a_finished_cohort_reads_no_image_and_gives_the_same_table(
    cohort: CohortFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (cohort.output / "cohort.csv").read_bytes()
    monkeypatch.setattr("LesionLensLib.cohort.work.run_case_job", None)
    assert main(cohort.arguments("--resume")) == 0  # the copy has other paths: read once, to see that it is the same
    monkeypatch.setattr("LesionLensLib.cohort.work.marks_of", None)
    assert main(cohort.arguments("--resume")) == 0
    assert (cohort.output / "cohort.csv").read_bytes() == before
    assert (cohort.report()["run"]["computed"], cohort.report()["run"]["kept"]) == (0, 3)


def test_resume_does_again_only_the_case_whose_image_has_other_bytes(cohort: CohortFiles) -> None:
    assert main(cohort.arguments("--resume")) == 0
    assert cohort.computed() == 0  # the copy changed every path and no byte
    times, results = cohort.case_times(), {row["case"]: row["probability"] for row in cohort.rows()}
    images = cohort.manifest.parent / "images"
    os.utime(images / "case0" / "CT.nii.gz")  # only looks newer
    shutil.copy(images / "case0" / "PET.nii.gz", images / "case1" / "PET.nii.gz")
    assert main(cohort.arguments("--resume")) == 0
    now = {row["case"]: row["probability"] for row in cohort.rows()}
    assert {case for case, time in cohort.case_times().items() if time != times[case]} == {"case1"}
    assert {case for case in now if now[case] != results[case]} == {"case1"}
    assert cohort.statuses() == ["done"] * 3


def test_a_change_that_keeps_size_and_time_of_writing_is_seen(cohort: CohortFiles) -> None:
    mask = cohort.manifest.parent / "images" / "case2" / "PET.nii.gz"
    assert main(cohort.arguments("--resume")) == 0
    status = mask.stat()
    content = bytearray(mask.read_bytes())
    content[4:8] = b"\1\2\3\4"  # the time stamp inside the gzip header: other bytes, the same image
    mask.write_bytes(content)
    os.utime(mask, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert main(cohort.arguments("--resume")) == 0
    assert cohort.computed() == 1


def test_resume_does_the_missing_the_incomplete_and_the_failed(cohort: CohortFiles) -> None:
    shutil.rmtree(cohort.output / "case0")
    (cohort.output / "case1" / "segmentation.seg.nrrd").unlink()
    whole = hashes(cohort.output / "case2")
    assert main(cohort.arguments("--resume")) == 0
    assert cohort.statuses() == ["done"] * 3
    assert cohort.computed() == 2
    assert {name: sha for name, sha in hashes(cohort.output / "case2").items() if name != "cohort-case.json"} == {
        name: sha for name, sha in whole.items() if name != "cohort-case.json"
    }


def test_other_settings_and_another_model_do_every_case_again(cohort: CohortFiles, tmp_path: Path) -> None:
    assert main(cohort.arguments("--resume", "--seed", "1")) == 0
    assert cohort.computed() == 3
    assert main(cohort.arguments("--resume", "--seed", "1")) == 0
    assert cohort.computed() == 0
    other = CohortFiles(cohort.manifest, changed_model(cohort.model, tmp_path / "other", threshold=0.2), cohort.output)
    classes = {row["class"] for row in cohort.rows()}
    assert main(other.arguments("--resume", "--seed", "1")) == 0
    assert other.computed() == 3
    assert {row["class"] for row in other.rows()} != classes


def test_an_outdated_result_goes_where_its_case_fails_now(cohort: CohortFiles) -> None:
    (cohort.manifest.parent / "images" / "case1" / "CT.nii.gz").write_bytes(b"broken")
    assert main(cohort.arguments("--resume")) == 0
    assert cohort.statuses() == ["done", "error", "done"]
    assert not (cohort.output / "case1").exists()


def test_ctrl_c_in_the_middle_of_a_later_case_ends_the_run_and_keeps_the_first(
    cohort: CohortFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, begun = work.run_case_job, []

    def interrupted(job: CaseJob, progress: Progress) -> dict[str, Any]:
        begun.append(job)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return real(job, progress)

    monkeypatch.setattr(work, "run_case_job", interrupted)
    assert main(cohort.arguments("--overwrite")) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "cancelled"
    assert cohort.statuses() == ["done", "pending", "pending"]
    assert cohort.report()["state"] == "interrupted"
    assert sorted(path.name for path in cohort.output.iterdir() if path.is_dir()) == ["case0"]
    assert main(cohort.arguments("--resume")) == 0
    assert (cohort.computed(), cohort.statuses()) == (2, ["done"] * 3)


def test_what_would_fail_every_case_is_said_before_anything_is_written(
    cohort: CohortFiles, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = cohort.into(tmp_path / "new")
    for call, says in (
        (CohortFiles(cohort.manifest, tiny_model, nowhere.output).arguments(), "predicts no outcome"),
        (nowhere.arguments("--workers", "0"), "There cannot be 0 workers"),
        (nowhere.arguments("--workers", "2"), "needs Dask, which is not installed"),
        (nowhere.arguments("--resume", "--overwrite"), "contradict each other"),
        (nowhere.arguments("--threshold", "0.3"), "does not go with --task predict"),
        (nowhere.arguments("--method", "smocam"), "does not go with --task predict"),
        (cohort.arguments(), "holds a cohort already"),
        (cohort.into(cohort.manifest.parent).arguments("--overwrite"), "is, holds or lies inside an input"),
        (cohort.into(cohort.manifest.parent / "images" / "case0").arguments(), "is, holds or lies inside an input"),
    ):
        assert main(call) in (2, 3)
        check_said(capsys.readouterr().err, says)
    assert not nowhere.output.exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [("../x", "cannot be the name"), (".x", "cannot be the name"), ("cohort.csv", "cannot be the name"),
     ("a/b", "cannot be the name"), ("x" * 101, "cannot be the name"), ("CASE1", "differ in capitals only")],
)  # fmt: skip
def test_a_case_whose_name_is_no_folder_is_refused(
    cohort: CohortFiles, name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with cohort.manifest.open(newline="") as file:
        lines = list(csv.reader(file))
    lines[1][0] = name
    with cohort.manifest.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    assert main(cohort.arguments("--resume")) == 2
    check_said(capsys.readouterr().err, says)


def test_a_folder_of_something_else_is_never_written_to(
    cohort: CohortFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.txt").write_text("text")
    for option in ("--resume", "--overwrite"):
        assert main(cohort.into(other).arguments(option)) == 2
        check_said(capsys.readouterr().err, "no cohort of LesionLens")
    assert [path.name for path in other.iterdir()] == ["chapter1.txt"]


def test_overwrite_leaves_foreign_folders_and_drops_cases_that_are_gone(cohort: CohortFiles) -> None:
    (cohort.output / "notes").mkdir()
    (cohort.output / "notes" / "mine.txt").write_text("text")
    lines = cohort.manifest.read_text().splitlines()
    cohort.manifest.write_text("\n".join(lines[:2]) + "\n")
    assert main(cohort.arguments("--overwrite")) == 0
    assert sorted(path.name for path in cohort.output.iterdir() if path.is_dir()) == ["case0", "notes"]


def test_a_second_run_into_the_same_folder_is_refused(
    cohort: CohortFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    from LesionLensLib.cohort.folder import CohortFolder

    with CohortFolder(cohort.output, "predict", resume=True, overwrite=False, protected=[]):
        assert main(cohort.arguments("--resume")) == 2
    check_said(capsys.readouterr().err, "Another run writes into results")
    assert main(cohort.arguments("--resume")) == 0


def test_results_of_another_task_do_not_go_by_resuming(
    cohort: CohortFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    before = all_but_times(cohort.output)
    explain = ["explain" if part == "predict" else part for part in cohort.arguments("--resume")]
    assert main(explain) == 2
    check_said(capsys.readouterr().err, "holds a cohort of --task predict")
    assert all_but_times(cohort.output) == before


def test_a_run_whose_workers_are_not_there_leaves_no_folder_in_the_way_of_the_next(
    cohort: CohortFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def nobody(*given: object) -> Iterator[None]:
        if given:
            raise EnvironmentFault("No Dask scheduler answers at tcp://x:1.", "Start it, or correct --scheduler.")
        yield

    new = cohort.into(tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr("LesionLensLib.cohort.run.open_engine", nobody)
        assert main(new.arguments()) == 3
        check_said(capsys.readouterr().err, "No Dask scheduler answers")
        assert not new.output.exists()
        assert main(cohort.arguments("--resume", "--seed", "5")) == 3
    assert set(cohort.statuses()) == {"pending"}  # an earlier cohort stays, to be resumed
    assert (cohort.output / "case0" / "report.json").is_file()
    assert main(new.arguments()) == 0


def test_segment_takes_the_brain_of_its_row_and_tells_what_it_found(
    phantom_files: dict[str, Path], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("LesionLensLib.cohort.engine.find_spec", lambda name: None)
    images = ("T1", "T2", "FLAIR", "brain")
    manifest = tmp_path / "heads.csv"
    paths = ",".join(str(phantom_files[name]) for name in images)
    manifest.write_text(f"case,patient,{','.join(images)}\nhead,someone,{paths}\n")
    output = tmp_path / "out"
    call = ["cohort", str(manifest), "--task", "segment", "--model", str(tiny_model), "--output", str(output)]
    assert main([*call, "--device", "cpu", "--progress", "none", "--threshold", "0.6", "--no-quick-estimate"]) == 0
    (row,) = CohortFiles(manifest, tiny_model, output).rows()
    report = json.loads((output / "head" / "report.json").read_text())
    assert int(row["lesion_count"]) == report["result"]["lesion_count"]
    assert float(row["lesion_volume_ml"]) == report["result"]["lesion_volume_ml"]
    assert float(row["sides_left_ml"]) == report["result"]["sides"]["left_ml"]
    assert report["settings"]["threshold"] == 0.6
    assert "brain" in [entry["role"] for entry in report["inputs"]]
    assert set(json.loads((output / "head" / "cohort-case.json").read_text())["inputs"]) == set(images)


def test_explain_takes_the_lesion_and_the_options_of_its_command(cohort: CohortFiles) -> None:
    call = [argument if argument != "predict" else "explain" for argument in cohort.arguments("--overwrite")]
    lines = cohort.manifest.read_text().splitlines()
    cohort.manifest.write_text("\n".join(lines[:2]) + "\n")
    assert main([*call, "--method", "gradcam", "--surface", "none", "--no-checks"]) == 0
    (row,) = cohort.rows()
    result = json.loads((cohort.output / "case0" / "report.json").read_text())["result"]
    assert (row["method"], float(row["probability"])) == ("gradcam", result["probability"])
    assert float(row["peak_value"]) == result["peak"]["value"]
    assert (cohort.output / "case0" / "map.nrrd").is_file()
