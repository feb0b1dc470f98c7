"""Names and series descriptions as scanners and public data sets write them."""

from __future__ import annotations

import pytest

from LesionLensLib.inputs import suggest_role
from LesionLensLib.inputs.channel_guess import recognise

MS = ("T1", "T2", "FLAIR")
MET = ("T1c", "FLAIR")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("T1.nii.gz", "T1"),
        ("patient01_T1W", "T1"),
        ("sub-01_ses-02_T1w.nii.gz", "T1"),
        ("study1_T2W.nii.gz", "T2"),
        ("lj_long_p12_study1_FLAIR", "FLAIR"),
        ("training01_01_mprage_pp.nii", "T1"),
        ("BraTS-MET-00001-000-t1n.nii.gz", "T1"),
        ("BraTS-MET-00001-000-t2f.nii.gz", "FLAIR"),
        ("BraTS-MET-00001-000-t2w.nii.gz", "T2"),
        ("301: Ax T2 FLAIR", "FLAIR"),
        ("t2_tirm_tra_dark-fluid_320", "FLAIR"),
        ("t2_tse_tra_512", "T2"),
        ("t1_se_tra", "T1"),
        ("T1_pre", "T1"),
        ("Ax T1 FLAIR", "T1"),
        ("3D_Brain_VIEW_FLAIR_SHC", "FLAIR"),
    ],
)
def test_a_name_points_to_its_contrast(name: str, expected: str) -> None:
    assert suggest_role(name, "", MS) == expected


@pytest.mark.parametrize(
    "name",
    [
        "BraTS20_Training_001_t1ce.nii.gz",
        "UCSF_001_T1post.nii.gz",
        "t1_gd",
        "AX T1 POST GD",
        "T1WKS",
        "Ax T1 +C",
        "T1c",
    ],
)
def test_a_t1_after_contrast_agent_is_offered_only_to_models_that_want_it(name: str) -> None:
    assert suggest_role(name, "", MET) == "T1c"
    assert suggest_role(name, "", MS) is None


@pytest.mark.parametrize("name", ["T1_to_T2", "T1_to_FLAIR", "image", "study1", "2012_t1_t2_average", "", "IM0001.dcm"])
def test_what_is_not_clear_is_not_guessed(name: str) -> None:
    assert suggest_role(name, "", MS) is None


def test_the_description_is_asked_where_the_name_says_nothing_and_the_name_wins() -> None:
    assert suggest_role("IM_0004", "sag 3D T2 FLAIR", MS) == "FLAIR"
    assert suggest_role("T2", "sag 3D FLAIR", MS) == "T2"


def test_pet_and_ct_are_told_apart() -> None:
    assert suggest_role("STS_001_PET_SUV.nii.gz", "", ("PET", "CT")) == "PET"
    assert suggest_role("CTres.nii.gz", "", ("PET", "CT")) == "CT"
    assert suggest_role("spectrum", "", ("PET", "CT")) is None


def test_masks_are_no_channels() -> None:
    assert recognise("FLAIR_lesion_mask.nii.gz") == "lesion"
    assert suggest_role("FLAIR_lesion_mask.nii.gz", "", MS) is None
