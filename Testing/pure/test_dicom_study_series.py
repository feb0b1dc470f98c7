"""The series of a study folder are grouped, named, and matched with the channels of a model; doubt is a question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_series
from pet_files import structure_set, write_pet
from test_dicom_series import edit, oblique_volume

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.images import read_volume
from LesionLensLib.images.dicom_study import StudySeries, find_series, list_series
from LesionLensLib.images.pet_series import read_pet
from LesionLensLib.images.series_path import split_series_path
from LesionLensLib.inputs.study import choose_series, match_study
from LesionLensLib.model_card import Channel
from LesionLensLib.report import hash_of

HERE = Path("study")


def series(
    description: str, modality: str = "MR", number: int = 1, protocol: str = "", agent: bool = False, images: int = 20
) -> StudySeries:
    files = tuple(Path(f"{number}-{n}") for n in range(images))
    return StudySeries(f"1.2.{number}", str(number), modality, description, protocol, images >= 5, agent, files)


MS_STUDY = (
    series("Localizer", number=1, images=3),
    series("Sag T1 MPRAGE", number=2),
    series("Ax T2 TSE", number=3),
    series("Sag 3D T2 FLAIR", number=4),
    series("Ax DWI b1000", number=5),
    series("T1 post GD", number=6, agent=True),
)


def chosen(model: str, study: tuple[StudySeries, ...]) -> dict[str, str]:
    card = find_card(model)
    found, _ = match_study(study, card.channel_def, HERE)
    return {role: one.number for role, one in found.items()}


def test_every_channel_of_a_study_is_found_by_its_description() -> None:
    assert chosen("rsanet-ms", MS_STUDY) == {"T1": "2", "T2": "3", "FLAIR": "4"}
    assert chosen("attention-resnet-brainmet", MS_STUDY) == {"T1c": "6", "FLAIR": "4"}


def test_a_contrast_agent_in_the_header_tells_a_t1_after_it() -> None:
    study = (series("MPRAGE", number=2), series("MPRAGE", number=9, agent=True), series("tirm", number=3))
    assert chosen("attention-resnet-brainmet", study) == {"T1c": "9", "FLAIR": "3"}
    assert chosen("rsanet-ms", study) == {"T1": "2", "FLAIR": "3"}


def test_the_protocol_is_asked_where_the_description_says_nothing() -> None:
    study = (series("AX", number=2, protocol="t1_mprage"), series("AX", number=3, protocol="t2_tse"))
    assert chosen("rsanet-ms", study) == {"T1": "2", "T2": "3"}


def test_hints_of_a_card_find_contrasts_that_nobody_knows() -> None:
    channels = (Channel("DWI", hints=("dwi", "b1000")), Channel("SWI", hints=("swi",)))
    found, missing = match_study(MS_STUDY, channels, HERE)
    assert found["DWI"].number == "5"
    assert "No series in study says that it is SWI" in missing["SWI"].message


def test_the_modality_decides_where_no_description_does_and_never_against_one() -> None:
    study = (series("LUNG 3.0", "CT", 2), series("WB", "PT", 3), series("T1 for PET", "MR", 4))
    assert chosen("chmfl-sarcoma", study) == {"PET": "3", "CT": "2"}
    one_contrast = (Channel("T1", hints=("t1",)),)
    with pytest.raises(UserError, match="No series in study says that it is T1"):
        choose_series((series("T2 TSE", number=2), series("T2 FLAIR", number=3)), one_contrast, "T1", HERE)


def test_two_that_fit_are_a_question_with_an_answer_to_give() -> None:
    study = (series("PET AC", "PT", 3), series("PET NAC", "PT", 4), series("CT", "CT", 2))
    with pytest.raises(UserError, match=r"2 series in study could be PET: 3: PET AC \(PT, 20 images\); 4") as caught:
        choose_series(study, find_card("chmfl-sarcoma").channel_def, "PET", HERE)
    assert "PET=study#4" in caught.value.remedy


def test_a_series_is_named_by_number_description_or_end_of_its_uid() -> None:
    study = (*MS_STUDY, series("Ax T2 TSE", number=12))
    assert find_series(study, "4", HERE).number == "4"
    assert find_series(study, "sag t1 mprage", HERE).number == "2"
    assert find_series(study, "1.2.12", HERE).number == "12"
    with pytest.raises(UserError, match="2 series in study are called Ax T2 TSE"):
        find_series(study, "Ax T2 TSE", HERE)
    with pytest.raises(UserError, match="holds no series 99; it holds 1: Localizer"):
        find_series(study, "99", HERE)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A PET and a CT, contours and a colour picture of the screen, all in one folder."""
    folder = tmp_path / "study"
    write_pet(oblique_volume(), folder, series="p")
    for path in write_series(oblique_volume(True), folder, description="CT 3.0", series="c").glob("c-*.dcm"):
        data = pydicom.dcmread(path)
        data.Modality, data.SeriesNumber = "CT", 4
        data.save_as(path)
    square = [np.array([[0, 0, 0], [9, 0, 0], [9, 9, 0], [0, 9, 0]], float)]
    structure_set({"GTV": square}).save_as(folder / "rt.dcm", enforce_file_format=True)
    picture = write_series(oblique_volume(), tmp_path / "sc", description="Screen", series="s", without=range(1, 6))
    for path in edit(picture, Modality="SC", SamplesPerPixel=3).iterdir():
        path.rename(folder / path.name)
    return folder


def test_a_folder_is_grouped_by_series_and_what_is_no_image_is_not_offered(study: Path) -> None:
    found = {one.modality: one for one in list_series(study)}
    assert {modality: one.stacked for modality, one in found.items()} == {
        "PT": True, "CT": True, "RTSTRUCT": False, "SC": False,
    }  # fmt: skip
    assert found["CT"].title == "4: CT 3.0 (CT, 6 images)"
    assert len(found["PT"].files) == 6


def test_a_path_names_one_series_of_a_folder(study: Path) -> None:
    image = read_volume(f"{study}#4")
    assert image.header["Modality"] == "CT"
    assert read_pet(f"{study}#PET AC").header["units"] == "SUVbw"
    with pytest.raises(UserError, match="holds no series 5"):
        read_volume(f"{study}#5")
    assert hash_of(Path(f"{study}#4")) != hash_of(Path(f"{study}#PET AC"))


def test_a_number_sign_in_a_name_that_exists_is_only_a_name(study: Path) -> None:
    renamed = study.rename(study.with_name("case#4"))
    assert split_series_path(renamed) == (renamed, "")
    assert split_series_path(f"{renamed}#4") == (renamed, "4")
    assert split_series_path("nowhere#4") == (Path("nowhere#4"), "")
    assert read_volume(f"{renamed}#4").header["Modality"] == "CT"
