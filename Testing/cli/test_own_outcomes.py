"""`lesionlens manifest --each-lesion` and `--outcomes`: one's own table of outcomes joined to a data set."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from brats_mets_tree import write_brats_mets_cohort, write_outcomes

from LesionLensLib.cli.main import main
from LesionLensLib.images import read_volume
from LesionLensLib.manifest import ManifestRow, read_manifest

TWO_LESIONS = "BraTS-MET-00002-000"


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients; nobody may write there."""
    folder = tmp_path_factory.mktemp("mets")
    write_brats_mets_cohort(folder, 4)
    return folder


def manifest(data_set: Path, table: Path, *options: str) -> int:
    return main(["manifest", "brats", str(data_set), "--output", str(table), "--overwrite", *options])


def rows_of(table: Path) -> dict[str, ManifestRow]:
    return {row.case: row for row in read_manifest(table)}


def test_each_lesion_becomes_a_case_with_its_own_mask_and_is_listed(data_set: Path, tmp_path: Path) -> None:
    table = tmp_path / "cohort.csv"
    assert manifest(data_set, table, "--each-lesion") == 0
    rows = rows_of(table)
    assert len(rows) == 6, "five examinations, one with two lesions"
    core = np.isin(read_volume(next(data_set.glob(f"*/{TWO_LESIONS}/*-seg.nii.gz"))).array, (1, 3))
    first, second = (read_volume(rows[f"{TWO_LESIONS}_lesion{n}"].files["lesion"]) for n in (1, 2))
    assert np.array_equal(first.array + second.array, core)
    assert first.array.sum() > second.array.sum() > 0
    assert first.grid.is_left_handed
    with (tmp_path / "cohort-lesions.csv").open(newline="") as file:
        listed = {(row["case"], row["lesion"]): row for row in csv.DictReader(file)}
    line = listed[TWO_LESIONS, "2"]
    assert float(line["volume_ml"]) == pytest.approx(second.array.sum() * second.grid.voxel_ml, abs=1e-4)
    center = second.grid.ras_from_ijk(np.argwhere(second.array)[:, ::-1]).mean(0)
    assert [float(line[f"centroid_{axis}"]) for axis in "ras"] == pytest.approx(center, abs=0.051)
    assert line["label"] == ""


def test_a_table_of_lesions_labels_their_cases_and_no_other(data_set: Path, tmp_path: Path) -> None:
    table, outcomes = tmp_path / "cohort.csv", tmp_path / "outcomes.csv"
    outcomes.write_text(
        f"case,lesion,failed\n{TWO_LESIONS},2,1.0\n{TWO_LESIONS},1,0\nBraTS-MET-00003-000,1,\nBraTS-MET-00003-000,7,1\n"
    )
    assert manifest(data_set, table, "--outcomes", str(outcomes), "--label-column", "failed") == 0
    labels = {case: row.label for case, row in rows_of(table).items() if row.label}
    assert labels == {f"{TWO_LESIONS}_lesion1": "0", f"{TWO_LESIONS}_lesion2": "1"}
    reasons = (tmp_path / "cohort-skipped.csv").read_text()
    assert 'BraTS-MET-00003-000_lesion7,"outcomes.csv names it, and there is no such case"' in reasons
    assert not (tmp_path / "cohort-lesions.csv").exists(), "there is nothing left to ask for"


def test_a_table_of_examinations_labels_them_whole(data_set: Path, tmp_path: Path) -> None:
    table, outcomes = tmp_path / "cohort.csv", tmp_path / "outcomes.csv"
    outcomes.write_text(f"case,label\n{TWO_LESIONS},1\n")
    assert manifest(data_set, table, "--outcomes", str(outcomes)) == 0
    rows = rows_of(table)
    assert (len(rows), rows[TWO_LESIONS].label) == (5, "1")


def test_outcomes_written_into_the_list_are_taken_and_never_overwritten(data_set: Path, tmp_path: Path) -> None:
    table, listed = tmp_path / "cohort.csv", tmp_path / "cohort-lesions.csv"
    assert manifest(data_set, table, "--each-lesion") == 0
    assert manifest(data_set, table, "--each-lesion") == 0, "without outcomes it may be written again"
    lines = listed.read_text().splitlines()
    listed.write_text("\n".join([lines[0], *(line + str(n % 2) for n, line in enumerate(lines[1:]))]))
    typed = listed.read_bytes()
    assert manifest(data_set, table, "--each-lesion") == 2
    assert manifest(data_set, table, "--outcomes", str(listed)) == 0
    assert listed.read_bytes() == typed
    assert [row.label for row in rows_of(table).values()] == ["0", "1"] * 3


def test_labels_are_divided_by_patient_after_the_outcomes_are_known(data_set: Path, tmp_path: Path) -> None:
    table = tmp_path / "cohort.csv"
    truth = write_brats_mets_cohort(tmp_path / "again", 4)
    outcomes = write_outcomes(truth, tmp_path / "outcomes.csv", "label")
    assert manifest(data_set, table, "--outcomes", str(outcomes), "--test-share", "0.5") == 0
    tested = {row.label for row in rows_of(table).values() if row.split == "test" and row.label}
    assert tested == {"0", "1"}


@pytest.mark.parametrize(
    ("text", "complaint", "remedy"),
    [
        ("case,lesion,label\nA,1,failed\n", "has the outcome 'failed' for A_lesion1", "Write 1 where"),
        ("case,lesion,label\nA,1,2\n", "has the outcome '2' for A_lesion1", "Write 1 where"),
        ("case,lesion,label\nA,1,1\nA,1,0\n", "has A_lesion1 twice", "one line"),
        ("case,lesion,label\nA,left,1\n", "is 'left', not a number from 1", "--each-lesion lists"),
        ("case label\nA 1\n", "has no column case", "It has: case label."),
        ("case,failure\nA,1\n", "has no column label", "It has: case, failure."),
        ("case,label\n", "has no line", "Give a line"),
        ("case,label\nA,1\n", "names no case of the data set. It names A, the data set has BraTS", "as the manifest"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_words(
    data_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str, remedy: str
) -> None:
    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text(text)
    assert manifest(data_set, tmp_path / "cohort.csv", "--outcomes", str(outcomes)) == 2
    said = capsys.readouterr().err
    assert f"error: The {'lesion of case' if 'left' in text else 'table outcomes.csv'}" in said
    assert complaint in said
    assert remedy in said.partition("remedy:")[2]
    assert not (tmp_path / "cohort.csv").exists()
