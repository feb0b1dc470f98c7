"""Data sets as they really lie about: half copied, linked, beside others, of another year, saved by a spreadsheet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data_set_trees import image, imported, mask

from LesionLensLib.cohort.importers.found import ImportOptions
from LesionLensLib.cohort.importers.outcomes import read_outcomes
from LesionLensLib.errors import UserError
from LesionLensLib.manifest import read_manifest


def write_mets(home: Path, number: int) -> Path:
    case = f"BraTS-MET-{number:05d}-000"
    return image(home / case / f"{case}-t1c.nii.gz")


def write_bids(root: Path, *subjects: str) -> Path:
    root.mkdir()
    (root / "dataset_description.json").write_text('{"Name": "ms", "BIDSVersion": "1.10.0"}')
    for subject in subjects:
        image(root / subject / "anat" / f"{subject}_T1w.nii.gz")
    return root


def write_masks(root: Path, name: str, made_by: str, subject: str, ending: str) -> None:
    home = root / "derivatives" / name
    mask(home / subject / "anat" / f"{subject}_{ending}.nii.gz", 1)
    (home / "dataset_description.json").write_text(json.dumps({"GeneratedBy": [{"Name": made_by}]}))


def write_dataset_json(root: Path, **about: object) -> Path:
    image(root / "imagesTr" / "a_0000.nii.gz")
    (root / "dataset.json").write_text(json.dumps(about), encoding="utf-8-sig")
    return root


def test_a_case_of_which_only_the_folder_is_there_is_named_among_those_left_out(tmp_path: Path) -> None:
    home = tmp_path / "mets" / "TrainingData"
    write_mets(home, 1)
    (home / "BraTS-MET-00002-000").mkdir()
    image(home / "BraTS-MET-00003-000" / "scan.nii.gz")
    (home / "docs").mkdir()
    rows, skipped, _ = imported(tmp_path / "mets")
    assert list(rows) == ["BraTS-MET-00001-000"]
    assert skipped == {
        "BraTS-MET-00002-000": "its folder is empty",
        "BraTS-MET-00003-000": "no file in its folder is named as it should be",
    }


def test_patients_behind_links_are_found_and_a_circle_of_links_ends(tmp_path: Path) -> None:
    write_mets(tmp_path / "disk", 1)
    home = tmp_path / "mets" / "TrainingData"
    home.mkdir(parents=True)
    (home / "BraTS-MET-00001-000").symlink_to(tmp_path / "disk" / "BraTS-MET-00001-000")
    (home / "all").symlink_to(tmp_path / "mets")
    rows, skipped, _ = imported(tmp_path / "mets")
    assert list(rows) == ["BraTS-MET-00001-000"]
    assert not skipped


def test_labels_of_children_are_not_read_as_those_of_adults(tmp_path: Path) -> None:
    for number in (1, 2):
        case = f"BraTS-PED-{number:05d}-000"
        image(tmp_path / "peds" / case / f"{case}-t1c.nii.gz")
    mask(tmp_path / "peds" / "BraTS-PED-00001-000" / "BraTS-PED-00001-000-seg.nii.gz", 1, 2, 3, 4)
    rows, skipped, _ = imported(tmp_path / "peds")
    assert list(rows) == ["BraTS-PED-00002-000"]  # without a mask nothing can be mistaken
    assert "changed their meaning in 2024" in skipped["BraTS-PED-00001-000"]


def test_the_meningiomas_of_radiotherapy_have_their_own_names(tmp_path: Path) -> None:
    case = "BraTS-MEN-RT-0001-1"
    image(tmp_path / "men" / case / f"{case}_t1c.nii.gz")
    mask(tmp_path / "men" / case / f"{case}_gtv.nii.gz", 1)
    rows, _, _ = imported(tmp_path / "men")
    assert rows[case].patient == "BraTS-MEN-RT-0001"
    assert {column: path.name for column, path in rows[case].files.items()} == {
        "T1c": f"{case}_t1c.nii.gz", "lesion": f"{case}_gtv.nii.gz",
    }  # fmt: skip


def test_images_of_isbi_are_all_of_one_kind_and_masks_go_with_the_preprocessed(tmp_path: Path) -> None:
    home = tmp_path / "isbi" / "training" / "training01"
    for scan in (1, 2):
        for contrast in ("flair", "t2"):
            image(home / "orig" / f"training01_{scan:02d}_{contrast}.nii")
        mask(home / "masks" / f"training01_{scan:02d}_mask1.nii", 1)
    image(home / "preprocessed" / "training01_01_flair_pp.nii")
    rows, _, remarks = imported(tmp_path / "isbi")
    assert set(rows["training01_01"].files) == {"FLAIR", "lesion"}
    assert rows["training01_01"].files["FLAIR"].name == "training01_01_flair_pp.nii"
    assert set(rows["training01_02"].files) == {"FLAIR", "T2"}
    assert "Scans without preprocessed images have no lesion" in remarks[1]


def test_what_lesionlens_found_never_becomes_the_truth_of_a_bids_data_set(tmp_path: Path) -> None:
    root = write_bids(tmp_path / "bids", "sub-01", "sub-02")
    write_masks(root, "lesionlens", "LesionLens", "sub-01", "desc-lesion_dseg")
    write_masks(root, "lesionlens", "LesionLens", "sub-02", "desc-lesion_dseg")
    write_masks(root, "manual", "ITK-SNAP", "sub-01", "desc-lesion_dseg")
    rows, skipped, _ = imported(root)
    assert not skipped
    assert rows["sub-01"].files["lesion"].parts[-4] == "manual"
    assert not rows["sub-02"].has("lesion")


def test_two_raters_of_a_bids_data_set_are_not_settled_by_the_alphabet(tmp_path: Path) -> None:
    root = write_bids(tmp_path / "bids", "sub-01", "sub-02")
    for rater in ("anna", "berta"):
        write_masks(root, rater, rater, "sub-01", "label-lesion_mask")
    _, skipped, _ = imported(root)
    assert skipped["sub-01"].startswith("several files may be the lesion mask: derivatives/anna/sub-01/")


def test_data_sets_below_a_bids_data_set_are_not_its_images(tmp_path: Path) -> None:
    root = write_bids(tmp_path / "bids", "sub-01")
    image(root / "sourcedata" / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz")
    image(root / "sourcedata" / "sub-02" / "anat" / "sub-02_T1w.nii.gz")
    rows, _, _ = imported(root)
    assert {case: set(row.files) for case, row in rows.items()} == {"sub-01": {"T1"}}


def test_a_dataset_json_of_another_program_is_no_sign_of_nnunet(tmp_path: Path) -> None:
    home = tmp_path / "msseg" / "training" / "013"
    for time in ("01", "02"):
        image(home / f"flair_time{time}_on_middle_space.nii")
    (tmp_path / "msseg" / "dataset.json").write_text("{}")
    rows, _, _ = imported(tmp_path / "msseg")
    assert list(rows) == ["013"]


@pytest.mark.parametrize(
    "about",
    [
        {"channel_names": ["T1"], "labels": {"lesion": 1}},
        {"channel_names": {"first": "T1"}, "labels": {"lesion": 1}},
        {"channel_names": {"0": "T1"}, "labels": {"lesion": "one"}},
        {"channel_names": {"0": "T1"}, "labels": ["background", "lesion"]},
    ],
)
def test_a_dataset_json_of_another_shape_is_refused_in_words(tmp_path: Path, about: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"dataset\.json of the nnU-Net data set cannot be read") as refused:
        imported(write_dataset_json(tmp_path / "Dataset001_x", **about))
    assert "channel_names as number: name" in refused.value.remedy


def test_a_dataset_json_with_the_mark_of_an_editor_is_read(tmp_path: Path) -> None:
    root = write_dataset_json(tmp_path / "Dataset001_x", channel_names={"0": "T1"}, labels={"lesion": 1})
    rows, _, _ = imported(root, options=ImportOptions())
    assert rows["a"].files["T1"].name == "a_0000.nii.gz"


def test_tables_saved_by_a_spreadsheet_with_semicolons_are_read(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_bytes("\ufeffcase;patient;T1\r\neins;Jörg;ä b,c.nii\r\n".encode())
    (row,) = read_manifest(path, missing_files=True)
    assert (row.case, row.patient, row.files) == ("eins", "Jörg", {"T1": tmp_path / "ä b,c.nii"})
    path.write_bytes(b'\xef\xbb\xbfcase;label;note\r\neins;1;"a;b"\r\nzwei;0;\r\n')
    assert read_outcomes(path).labels == {"eins": "1", "zwei": "0"}


def test_a_table_in_another_encoding_says_which_one_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_bytes("case,patient\neins,Jörg\n".encode("cp1252"))
    with pytest.raises(UserError, match="cannot be read") as refused:
        read_manifest(path)
    assert "UTF-8" in refused.value.remedy
