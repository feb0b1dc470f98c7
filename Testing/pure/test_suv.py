"""SUV from DICOM tags: every branch with a value worked out by hand, every missing tag named.

The header that all tests start from: 370 MBq injected at 08:10, half-life 6600 s (110 min), scan at 10:00, 70 kg.
One half-life has passed, so 185 MBq are left and SUV = Bq/ml * 70000 g / 185e6 Bq = Bq/ml * 3.78378e-4.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_series
from pet_files import dose_item, pet_header, write_pet

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.images.pet_series import read_pet
from LesionLensLib.images.suv import STUDY_FALLBACK, SuvFallback, suv_scale

ONE_HALF_LIFE = 70_000 / 185e6


def test_one_half_life_after_370_megabecquerel_ten_thousand_becquerel_per_ml_are_suv_3_784() -> None:
    scale = suv_scale([pet_header()])
    assert 1e4 * scale.factor == pytest.approx(3.784, abs=5e-4)
    assert (scale.units, scale.decay_correction, scale.assumed) == ("BQML", "START", ())
    assert scale.uptake is not None
    assert (scale.uptake.seconds, scale.uptake.scan_source) == (6600.0, "series time")


def test_a_pet_corrected_to_the_injection_leaves_the_dose_undecayed_and_needs_no_times() -> None:
    record = pet_header(
        dose_item(RadiopharmaceuticalStartTime=None, RadionuclideHalfLife=None),
        DecayCorrection="ADMIN", SeriesTime=None, AcquisitionTime=None,
    )  # fmt: skip
    assert suv_scale([record]).factor == pytest.approx(70_000 / 370e6)


def test_grams_per_ml_are_suv_already_and_need_neither_weight_nor_dose() -> None:
    record = pet_header(Units="GML", PatientWeight=None, DecayCorrection=None)
    assert suv_scale([record]).factor == 1.0
    assert suv_scale([pet_header(Units="GML", SUVType="BW")]).factor == 1.0


@pytest.mark.parametrize("kind", ["LBM", "BSA", "IBW", "LBMJANMA"])
def test_suv_by_anything_but_body_weight_is_refused(kind: str) -> None:
    with pytest.raises(UserError, match=rf"SUV Type \(0054,1006\) is {kind}"):
        suv_scale([pet_header(Units="GML", SUVType=kind)])


def philips(suv: str | bytes | None, activity: str | bytes | None, **tags: object) -> pydicom.Dataset:
    record = pet_header(Units="CNTS", **tags)
    block = record.private_block(0x7053, "Philips PET Private Group", create=True)
    for element, value in ((0x00, suv), (0x09, activity)):
        if value is not None:
            block.add_new(element, "UN" if isinstance(value, bytes) else "DS", value)
    return record


def test_philips_counts_become_suv_by_the_private_suv_factor_alone() -> None:
    assert suv_scale([philips("0.000551", "1.35", PatientWeight=None)]).factor == pytest.approx(0.000551)


@pytest.mark.parametrize("absent", ["0", b"0 ", None])
def test_philips_counts_without_suv_factor_become_activity_first(absent: str | bytes | None) -> None:
    assert suv_scale([philips(absent, "1.35")]).factor == pytest.approx(1.35 * ONE_HALF_LIFE)


def test_a_private_factor_that_came_as_bytes_is_read_all_the_same() -> None:
    assert suv_scale([philips(b"0.000551 ", None)]).factor == pytest.approx(0.000551)


def test_counts_without_any_philips_factor_name_both_private_tags() -> None:
    with pytest.raises(UserError, match=r"\(7053,1000\).*\(7053,1009\)"):
        suv_scale([philips("0", "0")])
    with pytest.raises(UserError, match=r"\(7053,1000\)"):
        suv_scale([pet_header(Units="CNTS")])


def test_philips_factors_that_differ_between_slices_are_refused() -> None:
    with pytest.raises(UserError, match=r"differ in the Philips factor \(7053,1000\)"):
        suv_scale([philips("0.5", None), philips("0.6", None)])


def test_an_injection_before_midnight_belongs_to_the_day_before() -> None:
    # 23:10 to 01:00 is one half-life; on the same day it would lie 22 h 10 min after the scan.
    record = pet_header(dose_item(RadiopharmaceuticalStartTime="231000"), SeriesTime="010000", AcquisitionTime="010000")
    assert suv_scale([record]).factor == pytest.approx(ONE_HALF_LIFE)


def test_the_full_date_and_time_of_injection_is_used_before_the_time_alone() -> None:
    dose = dose_item(RadiopharmaceuticalStartDateTime="20240309223000.00", RadiopharmaceuticalStartTime="081000")
    scale = suv_scale([pet_header(dose, SeriesTime="021000", AcquisitionTime="021000")])
    # 22:30 to 02:10 on the next day is 220 min, two half-lives: 92.5 MBq are left.
    assert scale.factor == pytest.approx(70_000 / 92.5e6)


def test_a_date_of_injection_that_cannot_be_true_is_replaced_and_noted() -> None:
    dose = dose_item(RadiopharmaceuticalStartDateTime="19990101081000")
    scale = suv_scale([pet_header(dose)])
    assert scale.factor == pytest.approx(ONE_HALF_LIFE)
    assert scale.uptake is not None
    assert scale.uptake.injection_date_replaced


def test_for_a_long_lived_radionuclide_days_count_and_an_impossible_date_is_an_error() -> None:
    # 89Zr, 78.4 h: injected exactly one half-life before the scan, three days earlier.
    dose = dose_item(RadionuclideHalfLife="282240", RadiopharmaceuticalStartDateTime="20240307033600")
    assert suv_scale([pet_header(dose)]).factor == pytest.approx(ONE_HALF_LIFE)
    dose.RadiopharmaceuticalStartDateTime = "20240311100000"
    with pytest.raises(UserError, match=r"\(0018,1078\) lies after the scan"):
        suv_scale([pet_header(dose)])


def test_an_injection_minutes_after_the_scan_is_not_taken_for_one_of_the_day_before() -> None:
    with pytest.raises(UserError, match=r"\(0018,1072\) lies after the scan or too long before"):
        suv_scale([pet_header(dose_item(RadiopharmaceuticalStartTime="100500"))])


def test_time_zones_of_the_two_times_are_brought_together() -> None:
    # 07:10 UTC is 08:10 where the scanner stands.
    dose = dose_item(RadiopharmaceuticalStartDateTime="20240310071000+0000")
    assert suv_scale([pet_header(dose, TimezoneOffsetFromUTC="+0100")]).factor == pytest.approx(ONE_HALF_LIFE)
    local = dose_item(RadiopharmaceuticalStartDateTime="20240310081000+0100")
    assert suv_scale([pet_header(local)]).factor == pytest.approx(ONE_HALF_LIFE)


def test_the_series_time_counts_although_later_bed_positions_were_acquired_after_it() -> None:
    beds = [pet_header(AcquisitionTime=time) for time in ("100600", "100300", "100000")]
    assert suv_scale(beds).factor == pytest.approx(ONE_HALF_LIFE)


def test_a_series_made_after_the_scan_uses_the_private_scan_time_of_ge() -> None:
    record = pet_header(SeriesTime="160000", AcquisitionTime="100300")
    record.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20240310100000.00")
    scale = suv_scale([record])
    assert scale.factor == pytest.approx(ONE_HALF_LIFE)
    assert scale.uptake is not None
    assert scale.uptake.scan_source == "GE private scan time"


def test_a_private_tag_of_another_maker_at_the_same_number_is_not_taken_for_the_scan_time() -> None:
    record = pet_header(SeriesTime="160000")
    record.private_block(0x0009, "OTHER MAKER", create=True).add_new(0x0D, "DT", "20240310120000.00")
    assert suv_scale([record]).factor == pytest.approx(ONE_HALF_LIFE)


def test_a_series_made_after_the_scan_without_private_time_uses_the_earliest_bed_position() -> None:
    beds = [pet_header(SeriesDate="20240311", AcquisitionTime=time) for time in ("100300", "100000", "100600")]
    scale = suv_scale(beds)
    assert scale.factor == pytest.approx(ONE_HALF_LIFE)
    assert scale.uptake is not None
    assert scale.uptake.scan_source == "earliest acquisition time"


def test_the_start_of_the_scan_is_counted_back_from_a_bed_position_by_its_reference_time() -> None:
    # The half-life is as long as the frame: the activity falls from 1 to 1/2, its mean is 1/(2 ln 2) = 0.7213, reached
    # after log2(2 ln 2) = 0.471234 of the frame. The bed at 10:20 refers to 1200 s + that moment after the start.
    frame = 6600.0
    record = pet_header(
        SeriesTime="160000", AcquisitionTime="102000", ActualFrameDuration=str(int(frame * 1000)),
        FrameReferenceTime=f"{(1200 + 0.4712336270551024 * frame) * 1000:.4f}",
    )  # fmt: skip
    assert suv_scale([record]).factor == pytest.approx(ONE_HALF_LIFE, rel=1e-6)


@pytest.mark.parametrize(
    ("tag", "number"),
    [
        ("PatientWeight", r"Patient's Weight \(0010,1030\)"),
        ("Units", r"Units \(0054,1001\)"),
        ("DecayCorrection", r"Decay Correction \(0054,1102\)"),
        ("CorrectedImage", r"Corrected Image \(0028,0051\)"),
        ("SeriesDate", r"Series Date \(0008,0021\)"),
        ("SeriesTime", r"Series Time \(0008,0031\)"),
        ("AcquisitionDate", r"Acquisition Date \(0008,0022\)"),
        ("AcquisitionTime", r"Acquisition Time \(0008,0032\)"),
    ],
)
def test_a_missing_tag_of_the_series_is_named(tag: str, number: str) -> None:
    with pytest.raises(UserError, match=f"lack {number}") as caught:
        suv_scale([pet_header(**{tag: None})])
    assert caught.value.remedy
    with pytest.raises(UserError, match=f"lack {number}"):
        suv_scale([pet_header(**{tag: ""})])


@pytest.mark.parametrize(
    ("tag", "number"),
    [
        ("RadionuclideTotalDose", r"\(0018,1074\)"),
        ("RadionuclideHalfLife", r"\(0018,1075\)"),
        ("RadiopharmaceuticalStartTime", r"\(0018,1078\) and .*\(0018,1072\)"),
    ],
)
def test_a_missing_tag_of_the_injection_is_named(tag: str, number: str) -> None:
    with pytest.raises(UserError, match=number):
        suv_scale([pet_header(dose_item(**{tag: None}))])
    record = pet_header()
    del record.RadiopharmaceuticalInformationSequence
    with pytest.raises(UserError, match=r"\(0054,0016\)"):
        suv_scale([record])


def test_a_weight_of_zero_is_a_missing_weight() -> None:
    with pytest.raises(UserError, match=r"lack Patient's Weight"):
        suv_scale([pet_header(PatientWeight="0")])


def test_the_authors_stand_ins_are_used_only_on_request_only_for_what_is_missing_and_are_noted() -> None:
    # 420 MBq after 105 min with a half-life of 105 min: 210 MBq left, 75 kg.
    bare = pet_header(dose_item(RadionuclideTotalDose=None, RadionuclideHalfLife="6300"), PatientWeight=None)
    del bare.SeriesTime
    scale = suv_scale([bare], STUDY_FALLBACK)
    assert scale.factor == pytest.approx(75_000 / 210e6)
    assert scale.assumed == ("weight 75 kg", "dose 420 MBq", "uptake time 105 min")
    full = suv_scale([pet_header()], STUDY_FALLBACK)
    assert full.factor == pytest.approx(ONE_HALF_LIFE)
    assert full.assumed == ()
    with pytest.raises(UserError, match=r"\(0018,1074\)"):
        suv_scale([bare], SuvFallback(weight_kg=75.0))


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"CorrectedImage": ["DECY", "SCAT"]}, "not corrected for attenuation"),
        ({"CorrectedImage": ["ATTN"]}, "not corrected for decay"),
        ({"DecayCorrection": "NONE"}, r"\(0054,1102\) is NONE"),
        ({"Units": "PROPCPS"}, r"Units \(0054,1001\) PROPCPS"),
        ({"SeriesTime": "ten"}, r"Series Time \(0008,0031\) is not a full"),
    ],
)
def test_what_cannot_be_turned_into_suv_is_refused(tags: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        suv_scale([pet_header(**tags)])


def test_the_word_of_the_pseudo_code_for_decay_correction_is_understood_too() -> None:
    assert suv_scale([pet_header(CorrectedImage=["ATTN", "DECAY"])]).factor == pytest.approx(ONE_HALF_LIFE)


def test_a_number_with_a_decimal_comma_is_named_and_not_guessed(tmp_path: Path) -> None:
    folder = write_pet(Volume(VALUES, GRID), tmp_path / "pet", PatientWeight="70.5")
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"70.5", b"70,5"))
    with pytest.raises(UserError, match=r"Patient's Weight \(0010,1030\) is (malformed|not a number)"):
        read_pet(folder)


def test_a_dose_in_megabecquerel_is_noticed() -> None:
    with pytest.raises(UserError, match=r"\(0018,1074\).*MBq"):
        suv_scale([pet_header(dose_item(RadionuclideTotalDose="370"))])


def test_slices_that_disagree_and_several_injections_are_refused() -> None:
    with pytest.raises(UserError, match=r"differ in Patient's Weight"):
        suv_scale([pet_header(), pet_header(PatientWeight="71")])
    record = pet_header()
    record.RadiopharmaceuticalInformationSequence.append(dose_item(RadionuclideTotalDose="200000000"))
    with pytest.raises(UserError, match="several injections"):
        suv_scale([record])


GRID = Grid((5, 4, 3), (4.0, 4.0, 3.27), (-10.0, 20.0, 30.0))
VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5) * 100


def test_a_series_is_read_as_suv_with_a_slope_of_its_own_in_every_slice(tmp_path: Path) -> None:
    folder = write_pet(Volume(VALUES, GRID), tmp_path / "pet")
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        number = round((float(data.ImagePositionPatient[2]) - 30.0) / 3.27)
        data.RescaleSlope = f"{1.5 + number}"
        data.save_as(path)
    pet = read_pet(folder)
    slopes = np.array([1.5, 2.5, 3.5])[:, None, None]
    np.testing.assert_allclose(pet.array, VALUES * slopes * ONE_HALF_LIFE, rtol=1e-5)
    assert pet.array.dtype == np.float32
    assert pet.grid.is_close(GRID)
    assert pet.header["units"] == "SUVbw"
    assert (pet.header["suv_units"], pet.header["suv_uptake_minutes"]) == ("BQML", "110.0")


def test_one_series_is_picked_out_of_a_folder_with_several(tmp_path: Path) -> None:
    folder = write_pet(Volume(VALUES, GRID), tmp_path / "both")
    write_series(Volume(VALUES, GRID), folder, series="mr")
    uid = str(pydicom.dcmread(next(folder.glob("pet-*.dcm"))).SeriesInstanceUID)
    np.testing.assert_allclose(read_pet(folder, series_uid=uid).array, VALUES * ONE_HALF_LIFE, rtol=1e-5)
    with pytest.raises(UserError, match="2 DICOM series"):
        read_pet(folder)
    with pytest.raises(UserError, match="does not hold the wanted series"):
        read_pet(folder, series_uid="1.2.3")


def test_a_series_of_another_modality_is_refused_and_an_image_file_is_taken_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no PET"):
        read_pet(write_series(Volume(VALUES, GRID), tmp_path / "mr"))
    write_volume(Volume(VALUES.astype(np.float32), GRID), tmp_path / "suv.nii.gz")
    pet = read_pet(tmp_path / "suv.nii.gz")
    np.testing.assert_array_equal(pet.array, VALUES)
    assert "units" not in pet.header


def test_neither_name_nor_number_of_the_patient_is_in_an_error_or_in_the_header(tmp_path: Path) -> None:
    folder = write_pet(Volume(VALUES, GRID), tmp_path / "pet", PatientWeight=None)
    with pytest.raises(UserError) as caught:
        read_pet(folder)
    kept = read_pet(folder, STUDY_FALLBACK).header
    for text in (caught.value.message, caught.value.remedy, caught.value.detail, repr(dict(kept))):
        assert "Doe" not in text
    assert kept["suv_assumed"] == "weight 75 kg"
