"""MSSEG-2, ISBI 2015 and open_ms_data, each from a small tree in exactly its layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_set_trees import image, imported, mask

from LesionLensLib.cohort.importers.found import ImportOptions
from LesionLensLib.errors import UserError


def test_msseg2_masks_mark_new_lesions_and_are_therefore_no_lesion_masks(tmp_path: Path) -> None:
    for patient in ("013", "015"):
        home = tmp_path / "m" / "training" / patient
        for name in ("flair_time01_on_middle_space", "flair_time02_on_middle_space"):
            image(home / f"{name}.nii.gz")
        for name in ("ground_truth", "ground_truth_expert1", "ground_truth_expert4"):
            mask(home / f"{name}.nii.gz", 1)
    (tmp_path / "m" / "training" / "015" / "flair_time01_on_middle_space.nii.gz").unlink()
    rows, skipped, remarks = imported(tmp_path / "m")
    assert {column: path.name for column, path in rows["013"].files.items()} == {
        "FLAIR": "flair_time02_on_middle_space.nii.gz",
        "FLAIR_before": "flair_time01_on_middle_space.nii.gz",
        "suspect": "ground_truth.nii.gz",
    }
    assert rows["013"].split == "train"
    assert skipped == {"015": "one of the two FLAIR images is missing"}
    assert "new lesions" in remarks[0]


def write_isbi(root: Path) -> Path:
    for patient, scans in (("training01", (1, 2)), ("training02", (1,)), ("test01", (1,))):
        home = root / ("training" if patient.startswith("training") else "testdata_website") / patient
        for scan in scans:
            for contrast in ("flair", "mprage", "pd", "t2"):
                image(home / "orig" / f"{patient}_{scan:02d}_{contrast}.nii.gz")
                image(home / "preprocessed" / f"{patient}_{scan:02d}_{contrast}_pp.nii")
            if patient != "test01":
                mask(home / "masks" / f"{patient}_{scan:02d}_mask1.nii", 1)
                mask(home / "masks" / f"{patient}_{scan:02d}_mask2.nii", 1, 1)
    return root


def test_isbi_takes_preprocessed_images_both_raters_and_groups_the_scans(tmp_path: Path) -> None:
    rows, skipped, _ = imported(write_isbi(tmp_path / "isbi"))
    assert not skipped
    assert {case: (row.patient, row.split) for case, row in rows.items()} == {
        "training01_01": ("training01", "train"),
        "training01_02": ("training01", "train"),
        "training02_01": ("training02", "train"),
        "test01_01": ("test01", "test"),
    }
    assert {column: path.name for column, path in rows["training01_02"].files.items()} == {
        "T1": "training01_02_mprage_pp.nii",
        "T2": "training01_02_t2_pp.nii",
        "FLAIR": "training01_02_flair_pp.nii",
        "PD": "training01_02_pd_pp.nii",
        "lesion": "training01_02_mask1.nii",
        "lesion_rater2": "training01_02_mask2.nii",
    }
    assert not rows["test01_01"].has("lesion")


def write_open_ms(root: Path) -> Path:
    for space in ("raw", "coregistered"):
        home = root / "cross_sectional" / space / "patient01"
        for name in ("FLAIR", "T1W", "patient01_T1WKS", "T2W"):
            image(home / f"{name}.nii.gz")
        mask(home / ("patient01_consensus_gt.nii.gz" if space == "raw" else "consensus_gt.nii.gz"), 1)
    mask(root / "cross_sectional" / "coregistered" / "patient01" / "patient01_brainmask.nii.gz", 1)
    (root / "cross_sectional" / "coregistered" / "patient01" / "T1W_to_FLAIR.txt").write_text("#Insight Transform\n")
    for space in ("raw", "coregistered"):
        home = root / "longitudinal" / space / "patient01"
        for study in (1, 2):
            for name in ("FLAIR", "T1W", "T2W"):
                image(home / f"study{study}_{name}.nii.gz")
        mask(home / "gt.nii.gz", 1)
    mask(root / "longitudinal" / "coregistered" / "patient01" / "brainmask.nii.gz", 1)
    (root / "longitudinal" / "raw" / "patient01" / "study2_T1W_intrastudy_to_FLAIR.txt").write_text("#Insight\n")
    return root


def test_open_ms_takes_one_version_of_the_images_and_keeps_both_parts_apart(tmp_path: Path) -> None:
    rows, skipped, remarks = imported(write_open_ms(tmp_path / "open"))
    assert not skipped
    assert {case: row.patient for case, row in rows.items()} == {
        "patient01": "patient01",
        "longitudinal_patient01_study1": "longitudinal_patient01",
        "longitudinal_patient01_study2": "longitudinal_patient01",
    }
    once, twice = rows["patient01"], rows["longitudinal_patient01_study2"]
    assert set(once.files) == {"FLAIR", "T1", "T1c", "T2", "lesion", "brain"}
    assert {path.parent.parent.name for path in once.files.values()} == {"coregistered"}
    assert once.files["T1c"].name == "patient01_T1WKS.nii.gz"
    # What changed between two studies is no complete mask of the lesions.
    assert set(twice.files) == {"FLAIR", "T1", "T2", "suspect", "brain"}
    assert twice.files["FLAIR"].name == "study2_FLAIR.nii.gz"
    assert any("raw" in remark for remark in remarks)


def test_open_ms_raw_images_come_with_their_transforms_and_without_masks_of_another_space(tmp_path: Path) -> None:
    rows, _, _ = imported(write_open_ms(tmp_path / "open"), options=ImportOptions(space="raw"))
    once, twice = rows["patient01"], rows["longitudinal_patient01_study2"]
    assert once.files["FLAIR"].parent.parent.name == "raw"
    assert once.files["T1_transform"].name == "T1W_to_FLAIR.txt"
    assert once.has("lesion")  # the consensus was drawn on the FLAIR as it was scanned
    assert set(twice.files) == {"FLAIR", "T1", "T2", "T1_transform"}
    assert twice.files["T1_transform"].name == "study2_T1W_intrastudy_to_FLAIR.txt"


def test_open_ms_in_mni_space_is_known_by_its_long_names(tmp_path: Path) -> None:
    home = tmp_path / "open" / "cross_sectional" / "MNI" / "patient07"
    tail = "N4_noneck_reduced_winsor_regtoFLAIR"
    for name in ("FLAIR", "T1", "T1POST", "T2"):
        image(home / f"{name}_{tail}_brain_N4_regtoMNI.nii.gz")
    mask(home / f"GOLD_STANDARD_{tail}_regtoMNI.nii.gz", 1)
    rows, _, _ = imported(tmp_path / "open")
    assert set(rows["patient07"].files) == {"FLAIR", "T1", "T1c", "T2", "lesion"}
    assert rows["patient07"].files["T1c"].name.startswith("T1POST")


def test_the_archive_of_ljubljana_itself_has_the_raw_images_below_each_patient(tmp_path: Path) -> None:
    home = tmp_path / "lit" / "patient3"
    for name in ("study1_FLAIRreg", "study2_FLAIRreg"):
        image(home / f"patient3_{name}.nii.gz")
    image(home / "raw" / "patient3_study1_FLAIR.nii.gz")
    mask(home / "patient3_gt.nii.gz", 1)
    rows, _, _ = imported(tmp_path / "lit")
    assert {case: set(row.files) for case, row in rows.items()} == {
        "longitudinal_patient3_study1": {"FLAIR", "suspect"},
        "longitudinal_patient3_study2": {"FLAIR", "suspect"},
    }
    assert rows["longitudinal_patient3_study1"].files["FLAIR"].name == "patient3_study1_FLAIRreg.nii.gz"


def test_a_version_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no images in the space MNI"):
        imported(write_open_ms(tmp_path / "open"), options=ImportOptions(space="MNI"))
