"""The Soft-tissue-Sarcoma tree is understood by its tags, whatever its folders are called."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_series
from pet_files import structure_set, write_pet

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.images.tcia_tree import case_name, index_sarcoma, index_series, read_sarcoma_case

PET_GRID = Grid((6, 6, 5), (4.0, 4.0, 3.0), (-12.0, -12.0, 0.0))
CT_GRID = Grid((12, 12, 5), (2.0, 2.0, 3.0), (-13.0, -13.0, 0.0))
PET = Volume(np.full(PET_GRID.shape, 1000, np.int16), PET_GRID)
CT = Volume(np.full(CT_GRID.shape, 40, np.int16), CT_GRID)
# 5 mm to either side of the origin: 5 x 5 voxel centres of the CT, from -5 to 3 mm (-5 belongs to it, 5 does not).
TUMOUR = [np.array([[-5, -5, z], [5, -5, z], [5, 5, z], [-5, 5, z]], dtype=float) for z in (3.0, 6.0)]
OEDEMA = [4.0 * contour - [0, 0, 3.0 * contour[0, 2]] for contour in TUMOUR]


def retag(folder: Path, pattern: str = "*.dcm", **tags: str) -> str:
    """Change tags in all files of a series and return its UID."""
    uid = ""
    for path in folder.glob(pattern):
        data = pydicom.dcmread(path)
        for keyword, value in tags.items():
            setattr(data, keyword, value)
        data.save_as(path)
        uid = str(data.SeriesInstanceUID)
    return uid


def write_patient(
    root: Path, patient: str = "STS_001", names: tuple[str, ...] = ("a", "b", "c", "d")
) -> dict[str, str]:
    """Write PET, CT, a T1 and its copy on the PET grid, each in a folder of `names`; returns the series UIDs."""
    folders = [root / name for name in names]
    write_pet(PET, folders[0], series="p")
    write_series(CT, folders[1], description="CT IMAGES - RESEARCH", series="c")
    write_series(CT, folders[2], description="AXIAL T1", series="t")
    write_series(PET, folders[3], description="AXIAL T1 aligned to PET", series="u")
    common = {"PatientID": patient, "FrameOfReferenceUID": "1.2.3.4"}
    return {
        "PET": retag(folders[0], "p-*", SeriesDescription="PET AC", **common),
        "CT": retag(folders[1], "c-*", Modality="CT", **common),
        "T1": retag(folders[2], "t-*", PatientID=patient, FrameOfReferenceUID="1.2.3.5"),
        "T1 on PET": retag(folders[3], "u-*", **common),
    }


def write_structures(
    path: Path, description: str, series_uid: str = "", patient: str = "STS_001", frame: str = "1.2.3.4"
) -> str:
    data = structure_set(
        {"GTV_Edema": OEDEMA, "GTV_Mass": TUMOUR}, description=description, series_uid=series_uid, frame_uid=frame
    )
    data.PatientID = patient
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return str(data.SeriesInstanceUID)


def test_every_role_is_found_by_tags_in_folders_with_meaningless_names(tmp_path: Path) -> None:
    uids = write_patient(tmp_path)
    on_pet = write_structures(tmp_path / "e" / "1.dcm", "RTstructPET", uids["PET"])
    on_ct = write_structures(tmp_path / "f" / "1.dcm", "RTStructCT", uids["CT"])
    on_t1 = write_structures(tmp_path / "g" / "1.dcm", "RTstructT1", uids["T1"], frame="1.2.3.5")
    write_structures(tmp_path / "h" / "1.dcm", "RTstructAlignedT1toPET", uids["PET"])
    index = index_sarcoma(tmp_path)
    assert index.skipped == ()
    (case,) = index.cases
    assert case.case == "STS_001"
    assert {role: e.uid for role, e in case.images.items()} == {role: uids[role] for role in ("PET", "CT", "T1")}
    assert {role: e.uid for role, e in case.structures.items()} == {"PET": on_pet, "CT": on_ct, "T1": on_t1}
    assert len(case.images["PET"].files) == 5


def test_a_case_is_read_as_suv_hounsfield_and_the_mass_without_its_oedema(tmp_path: Path) -> None:
    uids = write_patient(tmp_path)
    write_structures(tmp_path / "f" / "1.dcm", "RTstructCT", uids["CT"])
    write_structures(tmp_path / "h" / "1.dcm", "RTstructAlignedT1toPET", uids["PET"])
    (case,) = index_sarcoma(tmp_path).cases
    assert case.images["T1"].uid == uids["T1"]
    assert list(case.structures) == ["CT"]
    volumes = read_sarcoma_case(case)
    assert set(volumes) == {"PET", "CT", "T1", "lesion"}
    # 1000 Bq/ml, 70 kg, 370 MBq, one half-life (see pet_files): 1000 * 70000 / 185e6.
    np.testing.assert_allclose(volumes["PET"].array, 0.378378, rtol=1e-5)
    assert np.all(volumes["CT"].array == 40)
    lesion = volumes["lesion"]
    assert lesion.grid.is_close(CT_GRID)
    assert [int(plane.sum()) for plane in lesion.array] == [0, 25, 25, 0, 0]
    assert lesion.array[1, 4, 4] == 1


def test_all_files_of_two_patients_in_one_folder_are_sorted_out(tmp_path: Path) -> None:
    everything = tmp_path / "all"
    for patient in ("STS_002", "STS_001"):
        folder = tmp_path / patient
        uids = write_patient(folder, patient)
        write_structures(folder / "e" / "1.dcm", "RTstructCT", uids["CT"], patient)
        files = list(folder.rglob("*.dcm"))
        random.Random(5).shuffle(files)
        for number, path in enumerate(files):
            everything.mkdir(exist_ok=True)
            path.rename(everything / f"{patient[-1]}{number:05d}")
    index = index_sarcoma(everything)
    assert [case.case for case in index.cases] == ["STS_001", "STS_002"]
    assert index.skipped == ()
    volumes = read_sarcoma_case(index.cases[1])
    assert int(volumes["lesion"].array.sum()) == 50
    assert volumes["PET"].grid.is_close(PET_GRID)


def test_contours_that_name_no_series_are_matched_by_their_description(tmp_path: Path) -> None:
    write_patient(tmp_path)
    on_pet = write_structures(tmp_path / "e" / "1.dcm", "rtSTRUCT_PET")
    (case,) = index_sarcoma(tmp_path).cases
    assert {role: entry.uid for role, entry in case.structures.items()} == {"PET": on_pet}
    assert int(read_sarcoma_case(case)["lesion"].array.sum()) == 50


def test_of_two_pet_series_the_one_with_contours_is_meant(tmp_path: Path) -> None:
    uids = write_patient(tmp_path)
    write_pet(PET, tmp_path / "nac", series="n")
    retag(tmp_path / "nac", PatientID="STS_001", FrameOfReferenceUID="1.2.3.4", SeriesDescription="PET NAC")
    assert index_sarcoma(tmp_path).skipped == (("STS_001", "2 PET series, and no contours tell which is meant"),)
    write_structures(tmp_path / "e" / "1.dcm", "RTstructPET", uids["PET"])
    assert index_sarcoma(tmp_path).cases[0].images["PET"].uid == uids["PET"]


def test_unusable_cases_are_listed_with_their_reason(tmp_path: Path) -> None:
    write_patient(tmp_path / "1", "STS_001")
    uids = write_patient(tmp_path / "2", "STS_002")
    write_structures(tmp_path / "2" / "e" / "1.dcm", "RTstructCT", uids["CT"], "STS_002")
    retag(tmp_path / "2" / "b", FrameOfReferenceUID="9.9.9")
    write_series(CT, tmp_path / "3")
    retag(tmp_path / "3", PatientID="STS_003", Modality="CT")
    index = index_sarcoma(tmp_path)
    assert index.cases == ()
    assert index.skipped == (
        ("STS_001", "no single set of contours was drawn on the CT or the PET"),
        ("STS_002", "PET and CT have different frames of reference"),
        ("STS_003", "no PET"),
    )


def test_only_the_collections_own_numbers_are_shown(tmp_path: Path) -> None:
    assert [case_name(n) for n in ("STS_030", "STS-McGill-007")] == ["STS_030", "STS-McGill-007"]
    hidden = case_name("1974-0312 Doe")
    assert hidden.startswith("case-")
    assert "Doe" not in hidden
    assert case_name("1974-0312 doe") == hidden != case_name("1974-0313 Doe")
    write_patient(tmp_path, "Doe-4711")
    assert "4711" not in repr(index_series(tmp_path))
    assert "4711" not in repr(index_sarcoma(tmp_path))


def test_a_missing_or_empty_folder_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no folder"):
        index_sarcoma(tmp_path / "nothing")
    with pytest.raises(UserError, match="is empty"):
        index_sarcoma(tmp_path)
