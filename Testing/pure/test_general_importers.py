"""nnU-Net and BIDS from small trees in exactly their layout, and which layout a folder has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from data_set_trees import image, imported, labels_array, mask, table, workbook

from LesionLensLib.cohort.importers.found import ImportOptions
from LesionLensLib.cohort.importers.layouts import LAYOUTS, find_cases
from LesionLensLib.cohort.importers.table_file import read_table
from LesionLensLib.errors import UserError
from LesionLensLib.images import read_volume


def write_nnunet(root: Path, about: dict[str, object], channels: int = 2) -> Path:
    for part, cases in (("Tr", ("met_001_t0", "met_001_t1", "met_002_t0")), ("Ts", ("met_003_t0",))):
        for case in cases:
            for channel in range(channels):
                image(root / f"images{part}" / f"{case}_{channel:04d}.nii.gz")
            if part == "Tr":
                mask(root / "labelsTr" / f"{case}.nii.gz", 1, 2, 3)
    (root / "dataset.json").write_text(json.dumps(about))
    return root


METS = {
    "channel_names": {"0": "T1ce", "1": "Flair"},
    "labels": {"background": 0, "core": [1, 3], "oedema": 2, "ignore": 9},
    "file_ending": ".nii.gz",
}


def test_nnunet_names_channels_as_its_table_does_and_takes_the_labels_asked_for(tmp_path: Path) -> None:
    root = write_nnunet(tmp_path / "Dataset501_Mets", METS)
    rows, skipped, _ = imported(root, options=ImportOptions(lesion_labels=("core",), patient=r"^(met_\d+)_"))
    assert not skipped
    assert {case: (row.patient, row.split) for case, row in rows.items()} == {
        "met_001_t0": ("met_001", "train"),
        "met_001_t1": ("met_001", "train"),
        "met_002_t0": ("met_002", "train"),
        "met_003_t0": ("met_003", "test"),
    }
    first = rows["met_001_t0"]
    assert (first.files["T1c"].name, first.files["FLAIR"].name) == ("met_001_t0_0000.nii.gz", "met_001_t0_0001.nii.gz")
    lesion = read_volume(first.files["lesion"]).array
    assert np.array_equal(lesion, np.isin(labels_array(1, 2, 3), (1, 3)))
    assert not rows["met_003_t0"].has("lesion")


def test_nnunet_with_several_labels_asks_which_are_the_lesion(tmp_path: Path) -> None:
    root = write_nnunet(tmp_path / "Dataset501_Mets", METS)
    with pytest.raises(UserError, match="several labels: core, oedema") as refused:
        imported(root)
    assert "--lesion-labels" in refused.value.remedy
    with pytest.raises(UserError, match="no label bone"):
        imported(root, options=ImportOptions(lesion_labels=("bone",)))


def test_nnunet_of_version_1_has_numbers_for_labels_and_calls_channels_modality(tmp_path: Path) -> None:
    about = {"modality": {"0": "CT", "1": "CT"}, "labels": {"0": "background", "2": "tumour"}}
    rows, _, remarks = imported(write_nnunet(tmp_path / "Task501_Mets", about))
    first = rows["met_002_t0"]
    assert set(first.files) == {"CT", "CT_0001", "lesion"}
    assert np.array_equal(read_volume(first.files["lesion"]).array, labels_array(1, 2, 3) == 2)
    assert first.patient == "met_002_t0"
    assert "CT_0001" in remarks[0]
    assert "--patient" in remarks[1]


def test_nnunet_cases_without_a_channel_or_a_patient_are_left_out(tmp_path: Path) -> None:
    root = write_nnunet(tmp_path / "Dataset501_Mets", METS)
    (root / "imagesTr" / "met_001_t1_0001.nii.gz").unlink()
    image(root / "imagesTr" / "other_0000.nii.gz")
    image(root / "imagesTr" / "other_0001.nii.gz")
    _, skipped, _ = imported(root, options=ImportOptions(lesion_labels=("1",), patient=r"^(met_\d+)_"))
    assert skipped == {
        "met_001_t1": "its channel FLAIR is missing",
        "other": "the pattern ^(met_\\d+)_ finds no patient in its name",
    }


def write_bids(root: Path) -> Path:
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "ms", "BIDSVersion": "1.10.0"}')
    relapses = {"sub-01": "1", "sub-02": "n/a"}
    table(root / "participants.tsv", [{"participant_id": s, "relapse": r} for s, r in relapses.items()], "\t")
    for session in ("ses-a", "ses-b"):
        anat = root / "sub-01" / session / "anat"
        for name in ("T1w", "ce-gadolinium_T1w", "acq-3d_FLAIR", "T2w"):
            image(anat / f"sub-01_{session}_{name}.nii.gz")
        home = root / "derivatives" / "manual" / "sub-01" / session / "anat"
        mask(home / f"sub-01_{session}_label-lesion_mask.nii.gz", 1)
        mask(home / f"sub-01_{session}_space-MNI152NLin2009cAsym_label-lesion_mask.nii.gz", 1)
        mask(home / f"sub-01_{session}_desc-brain_mask.nii.gz", 1)
    image(root / "sub-02" / "pet" / "sub-02_run-1_pet.nii.gz")
    image(root / "sub-02" / "pet" / "sub-02_run-2_pet.nii.gz")
    (root / "sub-02" / "pet" / "sub-02_run-1_pet.json").write_text('{"Units": "SUV"}')
    image(root / "sub-02" / "ct" / "sub-02_ct.nii.gz")
    mask(root / "derivatives" / "manual" / "sub-02" / "anat" / "sub-02_desc-tumor_dseg.nii.gz", 1, 2)
    return root


def test_bids_sessions_of_a_subject_share_the_patient_and_find_their_lesion_mask(tmp_path: Path) -> None:
    options = ImportOptions(label_column="relapse", lesion_labels=("2", "1"))
    rows, skipped, _ = imported(write_bids(tmp_path / "bids"), options=options)
    assert not skipped
    first, second = rows["sub-01_ses-a"], rows["sub-02"]
    assert {column: path.name for column, path in first.files.items()} == {
        "T1": "sub-01_ses-a_T1w.nii.gz",
        "T1c": "sub-01_ses-a_ce-gadolinium_T1w.nii.gz",
        "FLAIR": "sub-01_ses-a_acq-3d_FLAIR.nii.gz",
        "T2": "sub-01_ses-a_T2w.nii.gz",
        "lesion": "sub-01_ses-a_label-lesion_mask.nii.gz",
    }
    assert rows["sub-01_ses-b"].patient == first.patient == "sub-01"
    assert {column: path.name for column, path in second.files.items() if column != "lesion"} == {
        "PET": "sub-02_run-1_pet.nii.gz", "CT": "sub-02_ct.nii.gz",
    }  # fmt: skip
    assert np.array_equal(read_volume(second.files["lesion"]).array, labels_array(1, 2) > 0)
    assert (first.label, second.label) == ("1", "")


def test_bids_images_that_cannot_be_told_apart_leave_the_session_out(tmp_path: Path) -> None:
    root = write_bids(tmp_path / "bids")
    image(root / "sub-01" / "ses-a" / "anat" / "sub-01_ses-a_acq-2d_FLAIR.nii.gz")
    (root / "sub-02" / "pet" / "sub-02_run-1_pet.json").write_text('{"Units": "Bq/mL"}')
    rows, skipped, _ = imported(root)
    assert list(rows) == ["sub-01_ses-b"]
    assert skipped["sub-01_ses-a"].startswith("several files may be the FLAIR: sub-01_ses-a_acq-2d_FLAIR.nii.gz, ")
    assert skipped["sub-02"].startswith("its PET is in Bq/mL")


def test_bids_outcomes_must_be_a_column_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column death") as refused:
        imported(write_bids(tmp_path / "bids"), options=ImportOptions(label_column="death"))
    assert refused.value.remedy == "It has: participant_id, relapse."


def test_a_folder_of_two_data_sets_names_both(tmp_path: Path) -> None:
    write_nnunet(tmp_path / "both" / "Dataset501_Mets", METS)
    case = "BraTS-MET-00001-000"
    image(tmp_path / "both" / "BraTS" / case / f"{case}-t1c.nii.gz")
    with pytest.raises(UserError, match="fits several layouts: brats, nnunet"):
        find_cases("auto", tmp_path / "both", ImportOptions())


def test_a_folder_of_none_says_which_layouts_are_known(tmp_path: Path) -> None:
    image(tmp_path / "some" / "scan.nii.gz")
    (tmp_path / "some" / "notes").write_text("nothing")
    with pytest.raises(UserError, match="has none of the layouts known: brats, ucsf-bmsr") as refused:
        find_cases("auto", tmp_path / "some", ImportOptions())
    assert "case,patient,ROLE" in refused.value.remedy


def test_a_layout_named_in_error_is_refused_with_the_one_that_fits(tmp_path: Path) -> None:
    root = write_nnunet(tmp_path / "Dataset501_Mets", METS)
    with pytest.raises(UserError, match="nothing of the layout isbi2015") as refused:
        find_cases("isbi2015", root, ImportOptions())
    assert refused.value.remedy == "It looks like nnunet."
    with pytest.raises(UserError, match="no layout isbi"):
        find_cases("isbi", root, ImportOptions())


def test_every_layout_of_the_table_has_a_module_that_finds_nothing_in_a_foreign_folder(tmp_path: Path) -> None:
    image(tmp_path / "some" / "scan.nii.gz")
    for layout in LAYOUTS:
        with pytest.raises(UserError, match=f"nothing of the layout {layout}"):
            find_cases(layout, tmp_path / "some", ImportOptions())


def test_a_folder_of_several_nnunet_data_sets_asks_for_one(tmp_path: Path) -> None:
    write_nnunet(tmp_path / "nnUNet_raw" / "Dataset501_Mets", METS)
    write_nnunet(tmp_path / "nnUNet_raw" / "Dataset502_Mets", METS)
    with pytest.raises(UserError, match="found: Dataset501_Mets, Dataset502_Mets"):
        find_cases("auto", tmp_path / "nnUNet_raw", ImportOptions())


def test_a_workbook_gives_its_sheets_by_name_with_empty_cells_in_place(tmp_path: Path) -> None:
    second = [("a", "b", "c"), ("p & q", "", "2.0"), ("", "", "")]
    path = workbook(tmp_path / "a.xlsx", {"one": [("x",), ("1",)], "two": second})
    assert read_table(path, "two") == [{"a": "p & q", "b": "", "c": "2"}]
    assert read_table(path) == [{"x": "1"}]
    with pytest.raises(UserError, match="has no sheet three") as refused:
        read_table(path, "three")
    assert refused.value.remedy == "It has: one, two."


def test_a_table_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\3\4 and no more")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\0")
    for name in ("a.xlsx", "b.csv", "gone.csv"):
        with pytest.raises(UserError, match=f"The table {name} cannot be read"):
            read_table(tmp_path / name)
