"""AutoPET in both its orders, and the sarcoma collection of TCIA in DICOM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from data_set_trees import image, imported, mask, table, workbook
from test_tcia_tree import write_patient, write_structures

from LesionLensLib.images import read_volume
from LesionLensLib.images.series_path import split_series_path

STUDY = "10-25-2002-NA-PET-CT Teilkoerper  primaer mit KM-18049"


def test_autopet_studies_of_a_patient_share_it_and_pet_is_the_one_in_suv(tmp_path: Path) -> None:
    home = tmp_path / "a" / "FDG-PET-CT-Lesions"
    later = "01-02-2003-NA-PET-CT Ganzkoerper-12345"
    for patient, study in (("PETCT_4ef69de4e1", STUDY), ("PETCT_4ef69de4e1", later), ("PETCT_01140d52d8", STUDY)):
        for name in ("CT", "CTres", "PET", "SUV"):
            image(home / patient / study / f"{name}.nii.gz")
        mask(home / patient / study / "SEG.nii.gz", *(() if patient.endswith("d8") else (1,)))
    (home / "PETCT_4ef69de4e1" / later / "SUV.nii.gz").unlink()
    (home / "PETCT_01140d52d8" / STUDY / "CT.nii.gz").unlink()
    rows, skipped, _ = imported(tmp_path / "a")
    first = rows["PETCT_4ef69de4e1_10-25-2002_18049"]
    assert first.patient == "PETCT_4ef69de4e1"
    assert {column: path.name for column, path in first.files.items()} == {
        "PET": "SUV.nii.gz", "CT": "CT.nii.gz", "lesion": "SEG.nii.gz",
    }  # fmt: skip
    healthy = rows["PETCT_01140d52d8_10-25-2002_18049"]
    assert healthy.files["CT"].name == "CTres.nii.gz"
    assert not read_volume(healthy.files["lesion"]).array.any()  # no tumour is an answer too
    assert skipped == {"PETCT_4ef69de4e1_01-02-2003_12345": "its PET is in Bq/ml alone: there is no SUV"}


def test_autopet_in_the_order_of_nnunet_is_told_by_channel_numbers(tmp_path: Path) -> None:
    home = tmp_path / "a"
    cases = ("psma_95b833d46f153cd2_2017-11-18", "psma_95b833d46f153cd2_2018-04-16", f"fdg_3b1c9155f5_{STUDY}")
    for case in cases:
        image(home / "imagesTr" / f"{case}_0000.nii.gz")
        image(home / "imagesTr" / f"{case}_0001.nii.gz")
        mask(home / "labelsTr" / f"{case}.nii.gz", 1)
    (home / "imagesTr" / f"{cases[1]}_0001.nii.gz").unlink()
    (home / "dataset.json").write_text('{"channel_names": {"0": "CT", "1": "CT"}, "labels": {"background": 0, "t": 1}}')
    rows, skipped, _ = imported(home)
    assert {row.patient for row in rows.values()} == {"psma_95b833d46f153cd2", "fdg_3b1c9155f5"}
    assert rows[cases[0]].files["CT"].name.endswith("_0000.nii.gz")
    assert rows[cases[0]].files["PET"].name.endswith("_0001.nii.gz")
    assert rows[cases[0]].split == "train"
    assert list(skipped) == [cases[1]]
    # The text between date and number is prose with blanks, which no folder of results should be called.
    assert "fdg_3b1c9155f5_10-25-2002-NA-PET-CT-Teilkoerper-primaer-mit-KM-18049" in rows


def write_sarcoma(root: Path) -> Path:
    for patient, names in (("STS_001", ("pet", "ct", "t1", "t1-pet")), ("STS_002", ("all", "all", "all", "all"))):
        home = root / patient
        uids = write_patient(home, patient, names)
        write_structures(home / "contours" / "a.dcm", "RTstructCT", uids["CT"], patient)
    return root


def test_sarcoma_contours_become_a_mask_on_the_ct_and_series_are_named_in_place(tmp_path: Path) -> None:
    root = write_sarcoma(tmp_path / "sts")
    head = ("Patient ID", "Age", "Outcome (recurrence, mets)")
    clinical = [head, ("STS_001", "40", "Lung mets"), ("STS_002", "", "Local recurrence")]
    workbook(root / "INFOclinical_STS.xlsx", {"Sheet1": clinical})
    rows, skipped, remarks = imported(root)
    assert not skipped
    apart, together = rows["STS_001"], rows["STS_002"]
    assert {column: path.name for column, path in apart.files.items()} == {
        "PET": "pet", "CT": "ct", "MR_T1": "t1", "lesion": "STS_001_lesion.nrrd",
    }  # fmt: skip
    lesion, ct = read_volume(apart.files["lesion"]), read_volume(apart.files["CT"])
    assert lesion.grid.is_close(ct.grid)
    assert lesion.array.sum() == 2 * 25  # 5 x 5 voxel centres within the square, on two slices
    # Series that lie in one folder are told apart by their UID.
    folder, uid = split_series_path(together.files["CT"])
    assert (folder.name, bool(uid)) == ("all", True)
    assert np.array_equal(read_volume(together.files["CT"]).array, ct.array)
    assert (apart.label, together.label) == ("1", "")
    assert any("'Local recurrence'" in remark for remark in remarks)


def test_sarcoma_outcomes_of_the_mirror_are_lung_metastases_by_number(tmp_path: Path) -> None:
    root = write_sarcoma(tmp_path / "sts")
    outcomes = [{"PatientID": "STS-McGill-001", "Outcome": "0"}, {"PatientID": "STS-McGill-002", "Outcome": "1"}]
    table(root / "STS_PoC_Outcomes.csv", outcomes)
    rows, _, _ = imported(root)
    assert {case: row.label for case, row in rows.items()} == {"STS_001": "0", "STS_002": "1"}
