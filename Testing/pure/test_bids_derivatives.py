"""The results of a cohort as a BIDS derivatives data set, checked here and by the validator of the standard."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_set_trees import GRID

from LesionLensLib.cohort.bids_derivatives import write_derivatives
from LesionLensLib.cohort.bids_names import distinct_labels, place_cases
from LesionLensLib.errors import UserError
from LesionLensLib.images import Segment, Volume, read_volume, write_segmentation, write_volume
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.report import output_entries

FOUND = np.zeros(GRID.shape, np.uint8)
FOUND[1:3, 2:4, 2:5] = 1
FOUND[4, 1, 1] = 2
MODEL = {"id": "rsanet-ms", "version": "1.2", "sha256": "ab" * 32, "evidence": "simulated"}


def write_case(folder: Path, number: int, files: tuple[str, ...] = ("segmentation", "probability", "brain")) -> None:
    """Write a result folder as `segment` does, with `number` in its numbers."""
    folder.mkdir(parents=True)
    segments = (
        Segment("lesion-1", "Lesion, left", 1, (1.0, 0.0, 0.0)),
        Segment("lesion-2", "Other", 2, (0.0, 1.0, 0.0)),
    )
    if "segmentation" in files:
        write_segmentation(Volume(FOUND, GRID), segments, folder / "segmentation.seg.nrrd")
    for name in set(files) - {"segmentation"}:
        write_volume(Volume(np.full(GRID.shape, 0.25, np.float32), GRID), folder / f"{name}.nrrd")
    report = {
        "tool": {"name": "lesionlens", "version": "0.1"},
        "model": {**MODEL, "reference_role": "FLAIR"},
        "settings": {"threshold": 0.5},
        "seed": 0,
        "inputs": [{"role": r, "sha256": h * 32, "grid": GRID.to_dict()} for r, h in (("T1", "ee"), ("FLAIR", "cd"))],
        "findings": [{"severity": "warning", "code": "thick-slices", "text": "Thick slices."}],
        "outputs": output_entries(folder),
        "result": {"lesion_count": number, "lesion_volume_ml": 0.5 * number, "sides": {"left_ml": None}},
    }
    (folder / "report.json").write_text(json.dumps(report))


def write_cohort(root: Path) -> tuple[Path, Path]:
    """Write a cohort of two visits of one patient, one of another, and one case that failed."""
    for number, case in enumerate(("METS-1_t0", "METS-1_t1", "METS-2_t0"), start=1):
        write_case(root / "cohort" / case, number)
    lines = ["case,patient,FLAIR,label,split"]
    visits = ((1, 0, "1"), (1, 1, ""), (2, 0, "0"))
    lines += [f"METS-{p}_t{t},METS-{p},gone.nii.gz,{label},train" for p, t, label in visits]
    (root / "cases.csv").write_text("\n".join([*lines, "METS-3_t0,METS-3,gone.nii.gz,,"]) + "\n")
    return root / "cohort", root / "cases.csv"


def read_tsv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def errors_of(validator: Path, folder: Path) -> list[dict[str, Any]]:
    run = subprocess.run([validator, str(folder), "--format", "json"], capture_output=True, text=True, check=False)
    answer = json.loads(run.stdout)
    files = sum(1 for path in folder.rglob("*") if path.is_file() and not path.match("*_map.*") and path.suffix)
    assert answer["summary"]["totalFiles"] >= files  # it has seen them all
    issues: list[dict[str, Any]] = answer["issues"]["issues"]
    return [issue for issue in issues if issue["severity"] == "error"]


@pytest.fixture
def validator() -> Path:
    """The validator of the standard, a program of its own."""
    pytest.importorskip("bids_validator_deno", reason="bids-validator-deno is not installed")
    program = Path(sys.executable).with_name("bids-validator-deno")
    if not program.exists():
        pytest.skip("bids-validator-deno is not beside this Python")
    return program


def test_cases_become_sessions_of_their_patients_with_images_on_their_own_grid(tmp_path: Path) -> None:
    cohort, manifest = write_cohort(tmp_path)
    left_out = write_derivatives(cohort, manifest, tmp_path / "bids")
    assert left_out == (("METS-3_t0", "it has no finished result"),)
    files = {str(path.relative_to(tmp_path / "bids")) for path in (tmp_path / "bids").rglob("*") if path.is_file()}
    visit = "sub-METS1/ses-t1/anat/sub-METS1_ses-t1"
    endings = {"_desc-lesion_dseg.nii.gz", "_desc-lesion_dseg.json", "_desc-lesion_dseg.tsv", "_desc-brain_mask.nii.gz",
               "_desc-brain_mask.json", "_label-lesion_probseg.nii.gz", "_label-lesion_probseg.json"}  # fmt: skip
    assert {file.removeprefix(visit) for file in files if file.startswith(visit)} == endings
    assert {file.split("/")[0] for file in files if file.startswith("sub-")} == {"sub-METS1", "sub-METS2"}
    segmentation = read_volume(tmp_path / "bids" / f"{visit}_desc-lesion_dseg.nii.gz")
    assert np.array_equal(segmentation.array, FOUND)
    assert segmentation.grid.is_close(GRID)
    probability = read_volume(tmp_path / "bids" / f"{visit}_label-lesion_probseg.nii.gz")
    assert (probability.array.dtype, float(probability.array.max())) == (np.float32, 0.25)
    names = read_tsv(tmp_path / "bids" / f"{visit}_desc-lesion_dseg.tsv")
    assert names == [{"index": "1", "name": "Lesion, left"}, {"index": "2", "name": "Other"}]


def test_the_data_set_says_which_model_made_it_and_holds_the_numbers_of_every_case(tmp_path: Path) -> None:
    cohort, manifest = write_cohort(tmp_path)
    write_derivatives(cohort, manifest, tmp_path / "bids")
    about = json.loads((tmp_path / "bids" / "dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative"
    assert [entry["Name"] for entry in about["GeneratedBy"]] == ["LesionLens", "rsanet-ms"]
    assert "ab" * 32 in about["GeneratedBy"][1]["Description"]
    numbers = read_tsv(tmp_path / "bids" / "sub-METS1" / "sub-METS1_sessions.tsv")
    assert [(n["session_id"], n["case"], n["label"], n["lesion_volume_ml"], n["warnings"]) for n in numbers] == [
        ("ses-t0", "METS-1_t0", "1", "0.5", "thick-slices"),
        ("ses-t1", "METS-1_t1", "n/a", "1.0", "thick-slices"),
    ]
    assert {n["sides_left_ml"] for n in numbers} == {"n/a"}
    described = json.loads((tmp_path / "bids" / "sessions.json").read_text())
    assert set(numbers[0]) - {"session_id"} == set(described)
    patients = read_tsv(tmp_path / "bids" / "participants.tsv")
    assert patients == [
        {"participant_id": "sub-METS1", "patient": "METS-1"},
        {"participant_id": "sub-METS2", "patient": "METS-2"},
    ]
    sidecar = json.loads(next((tmp_path / "bids").rglob("*_dseg.json")).read_text())
    assert sidecar["Findings"][0]["code"] == "thick-slices"
    assert sidecar["SpatialReference"] == f"the case's own FLAIR, SHA-256 {'cd' * 32}"
    assert str(tmp_path) not in "".join(p.read_text() for p in (tmp_path / "bids").rglob("*.json"))
    assert "METS-3_t0: it has no finished result" in (tmp_path / "bids" / "README.md").read_text()


def test_the_validator_of_the_standard_finds_no_error(tmp_path: Path, validator: Path) -> None:
    cohort, manifest = write_cohort(tmp_path)
    # Explanations have maps, predictions on a given lesion no image at all.
    write_case(cohort / "EXPLAINED", 1, ("map", "map-T1c"))
    write_case(cohort / "PREDICTED", 1, ())
    with manifest.open("a") as file:
        file.write("EXPLAINED,EXPLAINED,,,\nPREDICTED,PREDICTED,,,\n")
    write_derivatives(cohort, manifest, tmp_path / "bids")
    home = tmp_path / "bids" / "sub-EXPLAINED" / "ses-EXPLAINED" / "anat"
    assert (home / "sub-EXPLAINED_ses-EXPLAINED_desc-impactT1c_map.nii.gz").is_file()
    assert errors_of(validator, tmp_path / "bids") == []


def test_without_sessions_the_numbers_stand_beside_the_subjects(tmp_path: Path, validator: Path) -> None:
    write_case(tmp_path / "cohort" / "b", 4)
    (tmp_path / "cases.csv").write_text("case,patient\na,a\nb,b\n")
    write_derivatives(tmp_path / "cohort", tmp_path / "cases.csv", tmp_path / "bids")
    (line,) = read_tsv(tmp_path / "bids" / "participants.tsv")
    assert (line["participant_id"], line["case"], line["lesion_count"]) == ("sub-b", "b", "4")
    assert (tmp_path / "bids" / "sub-b" / "anat" / "sub-b_desc-lesion_dseg.nii.gz").is_file()
    assert errors_of(validator, tmp_path / "bids") == []


def test_an_earlier_data_set_is_replaced_and_a_foreign_folder_never(tmp_path: Path) -> None:
    cohort, manifest = write_cohort(tmp_path)
    destination = tmp_path / "bids"
    write_derivatives(cohort, manifest, destination)
    shutil.rmtree(cohort / "METS-2_t0")
    write_derivatives(cohort, manifest, destination)
    assert not (destination / "sub-METS2").exists()
    assert (destination / "sub-METS1" / "ses-t0").is_dir()  # the names stay, whoever is missing
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is no data set of LesionLens"):
        write_derivatives(cohort, manifest, foreign)
    assert [path.name for path in foreign.iterdir()] == ["notes.txt"]


def test_a_fault_on_the_way_leaves_the_earlier_data_set_and_nothing_beside_it(tmp_path: Path) -> None:
    cohort, manifest = write_cohort(tmp_path)
    write_derivatives(cohort, manifest, tmp_path / "bids")
    (cohort / "METS-1_t1" / "probability.nrrd").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"probability\.nrrd"):
        write_derivatives(cohort, manifest, tmp_path / "bids")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bids", "cases.csv", "cohort"]
    assert len(read_tsv(tmp_path / "bids" / "sub-METS1" / "sub-METS1_sessions.tsv")) == 2


def test_a_case_whose_files_are_not_all_there_is_left_out(tmp_path: Path) -> None:
    cohort, manifest = write_cohort(tmp_path)
    (cohort / "METS-2_t0" / "probability.nrrd").unlink()
    left_out = write_derivatives(cohort, manifest, tmp_path / "bids")
    assert [case for case, _ in left_out] == ["METS-2_t0", "METS-3_t0"]
    with pytest.raises(UserError, match=r"No case of cases\.csv has a result"):
        write_derivatives(tmp_path / "nowhere", manifest, tmp_path / "other")


def test_names_lose_their_signs_and_stay_different() -> None:
    assert distinct_labels(["a-1", "a1", "A_1", "sub-01", "--"]) == {
        "a-1": "a1", "a1": "a1x2", "A_1": "A1x3", "sub-01": "01", "--": "x",
    }  # fmt: skip


def test_without_a_second_visit_of_anyone_there_are_no_sessions() -> None:
    alone = [ManifestRow("p1", "p1"), ManifestRow("p2_scan", "p2")]
    assert place_cases(alone) == {"p1": ("p1", ""), "p2_scan": ("p2", "")}
    twice = [*alone, ManifestRow("p2_again", "p2")]
    assert place_cases(twice) == {"p1": ("p1", "p1"), "p2_scan": ("p2", "scan"), "p2_again": ("p2", "again")}
