"""BraTS, UCSF-BMSR, BrainMetShare and Brain-TR-GammaKnife, each from a small tree in exactly its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_set_trees import GRID, image, imported, labels_array, mask, slices, table, workbook

from LesionLensLib.cohort.importers.found import ImportOptions
from LesionLensLib.images import read_volume


def write_brats_2020(root: Path) -> Path:
    training = root / "MICCAI_BraTS2020_TrainingData"
    for number, labels in ((1, (1, 2, 4)), (2, (2, 4)), (355, (4,))):
        case = f"BraTS20_Training_{number:03d}"
        for contrast in ("flair", "t1", "t1ce", "t2"):
            image(training / case / f"{case}_{contrast}.nii")
        name = "W39_1998.09.19_Segm" if number == 355 else f"{case}_seg"
        mask(training / case / f"{name}.nii", *labels)
    names = [
        {"Grade": grade, "BraTS_2019_subject_ID": "", "BraTS_2020_subject_ID": f"BraTS20_Training_{number}"}
        for grade, number in (("HGG", "001"), ("LGG", "002"))
    ]
    table(training / "name_mapping.csv", names)
    return root


def write_brats_mets(root: Path) -> Path:
    home = root / "ASNR-MICCAI-BraTS2023-MET-Challenge-TrainingData"
    for case, labels in (("BraTS-MET-00001-000", (1, 2, 3, 4)), ("BraTS-MET-00001-001", (3,))):
        for contrast in ("t1c", "t1n", "t2f", "t2w"):
            image(home / case / f"{case}-{contrast}.nii.gz")
        mask(home / case / f"{case}-seg.nii.gz", *labels)
    return root


def test_brats_until_2021_makes_core_and_rim_the_lesion_and_takes_the_grade_as_label(tmp_path: Path) -> None:
    rows, skipped, _ = imported(write_brats_2020(tmp_path / "brats"))
    assert not skipped
    first = rows["BraTS20_Training_001"]
    assert {column: path.name for column, path in first.files.items() if column != "lesion"} == {
        "FLAIR": "BraTS20_Training_001_flair.nii",
        "T1": "BraTS20_Training_001_t1.nii",
        "T1c": "BraTS20_Training_001_t1ce.nii",
        "T2": "BraTS20_Training_001_t2.nii",
    }
    lesion = read_volume(first.files["lesion"])
    assert np.array_equal(lesion.array, np.isin(labels_array(1, 2, 4), (1, 4)))
    assert (first.label, rows["BraTS20_Training_002"].label, first.split) == ("1", "0", "train")


def test_the_one_brats_file_with_a_name_of_its_hospital_is_found(tmp_path: Path) -> None:
    rows, _, _ = imported(write_brats_2020(tmp_path / "brats"))
    stray = rows["BraTS20_Training_355"]
    assert read_volume(stray.files["lesion"]).array.sum() == 2
    assert stray.label == ""


def test_a_mask_is_written_on_the_very_grid_of_its_labels(tmp_path: Path) -> None:
    rows, _, _ = imported(write_brats_2020(tmp_path / "brats"))
    case = rows["BraTS20_Training_001"]
    source = read_volume(case.files["FLAIR"].with_name("BraTS20_Training_001_seg.nii"))
    written = read_volume(case.files["lesion"])
    assert GRID.is_left_handed
    assert written.grid.is_close(source.grid, 1e-9)
    assert written.array.dtype == np.uint8
    assert case.files["lesion"].resolve().parent == tmp_path / "brats-files"


@pytest.mark.parametrize(("part", "labels"), [("core", (1, 3)), ("whole", (1, 2, 3)), ("enhancing", (3,))])
def test_brats_since_2023_takes_3_for_the_rim_and_never_the_resection_cavity(
    tmp_path: Path, part: str, labels: tuple[int, ...]
) -> None:
    rows, _, _ = imported(write_brats_mets(tmp_path / "mets"), options=ImportOptions(lesion=part))
    lesion = read_volume(rows["BraTS-MET-00001-000"].files["lesion"]).array
    assert np.array_equal(lesion, np.isin(labels_array(1, 2, 3, 4), labels))


def test_two_time_points_of_brats_share_the_patient(tmp_path: Path) -> None:
    rows, _, _ = imported(write_brats_mets(tmp_path / "mets"))
    assert {case: row.patient for case, row in rows.items()} == {
        "BraTS-MET-00001-000": "BraTS-MET-00001",
        "BraTS-MET-00001-001": "BraTS-MET-00001",
    }


def test_brats_2018_has_the_grade_in_its_folders_and_the_scan_in_its_names(tmp_path: Path) -> None:
    for grade, case in (("HGG", "Brats18_2013_11_1"), ("LGG", "Brats18_TCIA13_653_1")):
        image(tmp_path / "b" / grade / case / f"{case}_t1ce.nii.gz")
    rows, _, _ = imported(tmp_path / "b")
    found = {(row.patient, row.label) for row in rows.values()}
    assert found == {("Brats18_2013_11", "1"), ("Brats18_TCIA13_653", "0")}


def test_a_label_that_the_year_does_not_define_leaves_the_case_out(tmp_path: Path) -> None:
    root = write_brats_2020(tmp_path / "brats")
    seg = root / "MICCAI_BraTS2020_TrainingData" / "BraTS20_Training_002" / "BraTS20_Training_002_seg.nii"
    mask(seg, 1, 3)
    rows, skipped, _ = imported(root)
    assert "BraTS20_Training_002" not in rows
    assert skipped["BraTS20_Training_002"].endswith("holds the label 3, the data set defines 1, 2, 4")


def write_ucsf(root: Path) -> Path:
    home = root / "UCSF_BrainMetastases_v1.3" / "UCSF_BrainMetastases_TRAIN"
    for case in ("100101A", "100101B", "100104A"):
        for name in ("T1pre", "T1post", "FLAIR", "T2Synth", "subtraction"):
            image(home / case / f"{case}_{name}.nii.gz")
        mask(home / case / f"{case}_seg.nii.gz", 1)
    mask(home / "100101A" / "100101A_BraTS-seg.nii.gz", 1, 2, 3)
    return root


def test_ucsf_groups_the_letters_of_a_patient_and_offers_no_computed_t2(tmp_path: Path) -> None:
    rows, skipped, remarks = imported(write_ucsf(tmp_path / "ucsf"))
    assert not skipped
    assert [row.patient for row in rows.values()] == ["100101", "100101", "100104"]
    assert set(rows["100101A"].files) == {"T1", "T1c", "FLAIR", "T2Synth", "lesion"}
    assert rows["100101A"].files["T1c"].name == "100101A_T1post.nii.gz"
    assert rows["100101A"].files["lesion"].name == "100101A_seg.nii.gz"  # 0 and 1 already: not written again
    assert not (tmp_path / "ucsf-files").exists()
    assert any("BraTS-METS" in remark for remark in remarks)


def test_ucsf_leaves_out_who_has_no_labels_for_the_part_asked_for(tmp_path: Path) -> None:
    rows, skipped, _ = imported(write_ucsf(tmp_path / "ucsf"), options=ImportOptions(lesion="whole"))
    assert list(rows) == ["100101A"]
    assert np.array_equal(read_volume(rows["100101A"].files["lesion"]).array, labels_array(1, 2, 3) > 0)
    assert set(skipped) == {"100101B", "100104A"}
    assert "there is no BraTS-seg" in skipped["100101B"]


def test_brainmetshare_slices_become_volumes_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    array = np.stack([np.full((4, 6), number) for number in range(1, 12)])
    home = tmp_path / "b" / "stanford_release_brainmask"
    for patient in ("mets_stanford_releaseMask_train/Mets_005", "mets_stanford_releaseMask_test/Mets_006"):
        for name in ("0", "1", "2", "3"):
            slices(home / patient / name, array)
    slices(home / "mets_stanford_releaseMask_train" / "Mets_005" / "seg", np.where(array == 10, 255, 0))
    rows, _, remarks = imported(tmp_path / "b")
    t1c, lesion = (read_volume(rows["Mets_005"].files[column]) for column in ("T1c", "lesion"))
    assert t1c.array[:, 0, 0].tolist() == list(range(1, 12))  # 10.png comes after 9.png
    assert t1c.grid.spacing_mm == (0.94, 0.94, 1.0)
    assert lesion.array[:, 0, 0].tolist() == [0] * 9 + [1, 0]
    assert {case: row.split for case, row in rows.items()} == {"Mets_005": "train", "Mets_006": "test"}
    assert not rows["Mets_006"].has("lesion")
    assert "assumed" in remarks[0]


def test_brainmetshare_in_nifti_takes_the_gradient_echo_for_the_t1c(tmp_path: Path) -> None:
    home = tmp_path / "b" / "train_NifTI" / "Mets_005"
    for name in ("bravo", "t1_pre", "t1_gd", "flair"):
        image(home / f"{name}.nii.gz")
    mask(home / "seg.nii.gz", 255)
    rows, _, _ = imported(tmp_path / "b")
    files = rows["Mets_005"].files
    assert {column: path.name for column, path in files.items() if column != "lesion"} == {
        "T1c": "bravo.nii.gz", "T1": "t1_pre.nii.gz", "T1c_spin_echo": "t1_gd.nii.gz", "FLAIR": "flair.nii.gz",
    }  # fmt: skip
    assert np.array_equal(read_volume(files["lesion"]).array, labels_array(1))


GK_HEAD = ("unique_pt_id", "Treatment Course", "Lesion #", "Lesion Location", "mri_type", "Lesion Name in NRRD files")


def write_gamma_knife(root: Path) -> Path:
    courses = {"GK.103_1": ("LFrontal", "RCerebellum"), "GK.103_2": ("LFrontal",), "GK.7_1": ("Pons",)}
    for course, lesions in courses.items():
        home = root / "Brain-TR-GammaKnife-processed" / course
        image(home / f"{course}_MR_t1.nrrd")
        image(home / f"{course}_dose.nrrd")
        for lesion in lesions:
            mask(home / f"{course}_{lesion}.nrrd", 1)
    rows = [
        ("103", "1", "1", "L frontal", "recurrence", "GK.103_1_LFrontal"),
        ("103", "1", "2", "R cerebellum", "stable", "GK.103_1_RCerebellum"),
        ("103", "2", "1", "L frontal", "stable", "GK.103_2_LFrontal"),
        ("9", "1", "1", "thalamus", "stable", "GK.9_1_Thalamus"),
        ("7", "1", "1", "pons", "", "GK.7_1_Pons"),
    ]
    book = root / "Brain-TR-GammaKnife-Clinical-Information.xlsx"
    workbook(book, {"course_level": [("unique_pt_id", "Course #"), ("103", "1")], "lesion_level": [GK_HEAD, *rows]})
    return root


def test_gamma_knife_gives_a_case_a_lesion_with_its_outcome_from_the_workbook(tmp_path: Path) -> None:
    rows, skipped, _ = imported(write_gamma_knife(tmp_path / "gk"))
    assert {case: (row.patient, row.label) for case, row in rows.items()} == {
        "GK.103_1_LFrontal": ("GK.103", "1"),
        "GK.103_1_RCerebellum": ("GK.103", "0"),
        "GK.103_2_LFrontal": ("GK.103", "0"),
    }
    files = rows["GK.103_2_LFrontal"].files
    assert {column: path.name for column, path in files.items()} == {
        "T1c": "GK.103_2_MR_t1.nrrd", "dose": "GK.103_2_dose.nrrd", "lesion": "GK.103_2_LFrontal.nrrd",
    }  # fmt: skip
    assert skipped == {
        "GK.9_1_Thalamus": "the clinical table names it, and there is no such file",
        "GK.7_1_Pons": "the clinical table has no outcome for it",
    }


def test_gamma_knife_without_its_workbook_has_no_labels_and_says_so(tmp_path: Path) -> None:
    root = write_gamma_knife(tmp_path / "gk")
    (root / "Brain-TR-GammaKnife-Clinical-Information.xlsx").unlink()
    rows, skipped, remarks = imported(root)
    assert len(rows) == 4
    assert not skipped
    assert {row.label for row in rows.values()} == {""}
    assert "--table" in remarks[0]
