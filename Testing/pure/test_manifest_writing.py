"""A manifest made of a data set: nothing copied or changed, every case left out with a reason, splits by patient."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from data_set_trees import GRID, image, imported, mask

from LesionLensLib.cohort.importers.division import divide, on_both_sides
from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions
from LesionLensLib.cohort.importers.layouts import find_cases
from LesionLensLib.cohort.importers.table_file import read_table
from LesionLensLib.cohort.importers.write import write_manifest
from LesionLensLib.errors import UserError
from LesionLensLib.manifest import read_manifest


def write_mets(root: Path, count: int = 6) -> Path:
    for number in range(count):
        case = f"BraTS-MET-{number:05d}-000"
        for contrast in ("t1c", "t2f"):
            image(root / case / f"{case}-{contrast}.nii.gz")
        mask(root / case / f"{case}-seg.nii.gz", 1, 2, 3)
    return root


def state(root: Path) -> dict[Path, tuple[int, bytes]]:
    """Return time and content of every file."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def of(root: Path, number: int, what: str) -> Path:
    case = f"BraTS-MET-{number:05d}-000"
    return root / case / f"{case}-{what}.nii.gz"


def test_the_data_set_stays_as_it_is_and_its_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    root = write_mets(tmp_path / "mets")
    before = state(root)
    imported(root)
    assert state(root) == before
    lines = (tmp_path / "mets.csv").read_text().splitlines()
    assert lines[0] == "case,patient,FLAIR,T1c,lesion,label,split"
    case = "BraTS-MET-00000-000"
    images = f"mets/{case}/{case}-t2f.nii.gz,mets/{case}/{case}-t1c.nii.gz"
    assert lines[1] == f"{case},BraTS-MET-00000,{images},mets-files/{case}_lesion.nrrd,,"
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("mets", "mets.csv", "mets-files"):
        (tmp_path / name).rename(moved / name)
    assert len(read_manifest(moved / "mets.csv")) == 6


def test_each_fault_of_a_file_leaves_its_case_out_with_that_reason(tmp_path: Path) -> None:
    root = write_mets(tmp_path / "mets")
    of(root, 0, "t1c").write_bytes(b"")
    of(root, 1, "t1c").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    of(root, 2, "seg").write_bytes(b"not an image at all" * 30)
    of(root, 3, "t2f").unlink()
    of(root, 3, "t2f").symlink_to(root / "gone.nii.gz")
    elsewhere = replace(GRID, origin_lps=(500.0, 500.0, 500.0))
    mask(of(root, 4, "seg"), 1, 3, grid=elsewhere)
    rows, skipped, _ = imported(root)
    assert list(rows) == ["BraTS-MET-00005-000"]
    assert skipped["BraTS-MET-00000-000"] == "BraTS-MET-00000-000-t1c.nii.gz is empty (0 bytes)"
    assert "pointer of Git LFS" in skipped["BraTS-MET-00001-000"]
    assert "BraTS-MET-00002-000-seg.nii.gz" in skipped["BraTS-MET-00002-000"]
    assert "a link that leads nowhere" in skipped["BraTS-MET-00003-000"]
    assert "lie in different places" in skipped["BraTS-MET-00004-000"]
    reasons = read_table(tmp_path / "mets-skipped.csv")
    assert {row["case"]: row["reason"] for row in reasons} == skipped


def test_a_table_of_skipped_cases_does_not_outlive_their_mending(tmp_path: Path) -> None:
    root = write_mets(tmp_path / "mets", 2)
    of(root, 0, "t1c").write_bytes(b"")
    imported(root)
    assert (tmp_path / "mets-skipped.csv").exists()
    image(of(root, 0, "t1c"))
    imported(root)
    assert not (tmp_path / "mets-skipped.csv").exists()


def test_hidden_files_of_macos_are_no_images(tmp_path: Path) -> None:
    root = write_mets(tmp_path / "mets", 1)
    first = of(root, 0, "t1c")
    first.with_name(f"._{first.name}").write_bytes(b"\0\5\x16\7")
    rows, skipped, _ = imported(root)
    assert (len(rows), skipped) == (1, {})


def test_the_same_case_twice_is_taken_once(tmp_path: Path) -> None:
    write_mets(tmp_path / "mets" / "copy-1", 1)
    write_mets(tmp_path / "mets" / "copy-2", 1)
    rows, skipped, _ = imported(tmp_path / "mets")
    assert rows["BraTS-MET-00000-000"].files["T1c"].parts[-3] == "copy-1"
    assert skipped == {"BraTS-MET-00000-000": "another case has the same name"}


def test_an_earlier_manifest_is_kept_unless_asked(tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    table.write_text("mine")
    case = FoundCase("one", "p", {"T1c": image(tmp_path / "a.nii.gz")})
    with pytest.raises(UserError, match=r"cases\.csv exists"):
        write_manifest(Found((case,)), table, False, lambda done, name: None)
    assert table.read_text() == "mine"


def test_no_usable_case_is_an_error_with_the_first_reason(tmp_path: Path) -> None:
    root = write_mets(tmp_path / "mets", 1)
    of(root, 0, "t1c").write_bytes(b"")
    with pytest.raises(UserError, match=r"The first: BraTS-MET-00000-000, .*is empty"):
        imported(root)
    assert not (tmp_path / "mets.csv").exists()
    assert (tmp_path / "mets-skipped.csv").exists()


def cases(*labels: str, visits: int = 2) -> list[FoundCase]:
    found = [
        FoundCase(f"p{number}-{visit}", f"p{number}", {"lesion": Path("x")}, "train", label)
        for number, label in enumerate(labels)
        for visit in range(visits)
    ]
    return [*found, FoundCase("unlabelled", "q", {"T1": Path("x")}, "validation")]


def test_a_division_never_parts_the_visits_of_a_patient_and_keeps_the_share_of_each_label() -> None:
    divided = divide(cases(*"0000000000", *"1111"), 0.25, 3)
    assert not on_both_sides(divided)
    tested = [case for case in divided if case.split == "test"]
    assert sorted(case.label for case in tested) == ["0", "0", "0", "0", "1", "1"]  # 2 patients of 10, 1 of 4
    assert divided[-1].split == "validation"


def test_a_division_depends_on_the_seed_and_on_nothing_else() -> None:
    first = divide(cases(*"00000000"), 0.25, 0)
    again = divide(list(reversed(cases(*"00000000"))), 0.25, 0)
    assert {case.case: case.split for case in first} == {case.case: case.split for case in again}
    others = {tuple(case.split for case in divide(cases(*"00000000"), 0.25, seed)) for seed in range(8)}
    assert len(others) > 1


def test_a_case_that_cannot_be_used_does_not_take_a_place_in_the_division(tmp_path: Path) -> None:
    root = write_mets(tmp_path / "mets", 4)
    of(root, 0, "t1c").write_bytes(b"")
    of(root, 1, "t1c").write_bytes(b"")
    _, found = find_cases("auto", root, ImportOptions())
    divided = partial(divide, test_share=0.5, seed=0)
    written = write_manifest(found, tmp_path / "cases.csv", False, lambda done, name: None, divided)
    assert sorted(row.split for row in read_manifest(written.manifest)) == ["test", "train"]


def test_patients_on_both_sides_of_a_data_sets_own_division_are_found() -> None:
    visits = [FoundCase("a-1", "a", {}, "train"), FoundCase("a-2", "a", {}, "test"), FoundCase("b", "b", {}, "test")]
    assert on_both_sides(visits) == ("a",)


@pytest.mark.skipif(os.name == "nt", reason="a # in the name of a folder is tested where it is made")
def test_a_manifest_can_name_one_series_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "cases.csv").write_text("case,patient,CT\none,p,study#1.2.3\n")
    assert read_manifest(tmp_path / "cases.csv")[0].files["CT"] == tmp_path / "study#1.2.3"
    (tmp_path / "cases.csv").write_text("case,patient,CT\none,p,gone#1.2.3\n")
    with pytest.raises(UserError, match="column CT of case one"):
        read_manifest(tmp_path / "cases.csv")
