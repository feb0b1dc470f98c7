"""The factor from a PET's rescaled values to body-weight SUV, from its DICOM tags.

SUV = activity (Bq/ml) * weight (g) / dose left at the moment of decay correction (Bq). Source: QIBA vendor-neutral
pseudo-code; DICOM PS3.3 C.8.9.1 (PET Series) and C.8.9.2 (PET Isotope).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pydicom

from LesionLensLib.errors import UserError
from LesionLensLib.images.dicom_tags import (
    EXPORT_AGAIN,
    common_text,
    missing_tag,
    number_of,
    positive_of,
    tag_name,
    text_of,
)
from LesionLensLib.images.suv_times import Uptake, uptake_time

# DICOM's own word is DECY; the pseudo-code, and programs written after it, say DECAY.
_CORRECTIONS = (("attenuation", {"ATTN"}), ("decay", {"DECY", "DECAY"}))
_PHILIPS_CREATOR, _PHILIPS_GROUP = "Philips PET Private Group", 0x7053
_SUV_FACTOR, _ACTIVITY_FACTOR = 0x00, 0x09
# Doses are written in Bq; a number this small is one in MBq.
_SMALLEST_DOSE_BQ = 1e5


@dataclass(frozen=True)
class SuvFallback:
    """Values that stand in for missing tags, only where the user asks for it; they are noted with the result."""

    weight_kg: float | None = None
    dose_bq: float | None = None
    uptake_seconds: float | None = None

    @classmethod
    def of(
        cls, weight_kg: float | None = None, dose_mbq: float | None = None, uptake_minutes: float | None = None
    ) -> SuvFallback | None:
        """Return the fallback from values as people write them, None where there is none at all."""
        if weight_kg is None and dose_mbq is None and uptake_minutes is None:
            return None
        dose_bq = None if dose_mbq is None else dose_mbq * 1e6
        return cls(weight_kg, dose_bq, None if uptake_minutes is None else uptake_minutes * 60.0)


# What the authors of the Soft-tissue-Sarcoma collection put in for missing tags (their public study code).
STUDY_FALLBACK = SuvFallback(weight_kg=75.0, dose_bq=420e6, uptake_seconds=1.75 * 3600.0)


@dataclass(frozen=True)
class SuvScale:
    """SUV = rescaled value * `factor`; how it was found, and which `assumed` values stood in for tags."""

    factor: float
    units: str
    decay_correction: str = ""
    uptake: Uptake | None = None
    assumed: tuple[str, ...] = ()


def suv_scale(records: Sequence[pydicom.Dataset], fallback: SuvFallback | None = None) -> SuvScale:
    """Return the factor for a PET series from the headers of all its slices.

    Units BQML, CNTS (Philips private factors) and GML are understood. Raises `UserError` that names the tag for
    whatever is missing, contradicting or not body-weight SUV.
    """
    fallback = fallback or SuvFallback()
    _check_corrections(records)
    units = common_text(records, "Units")
    if units == "BQML":
        return _body_weight(records, units, 1.0, fallback)
    if units == "CNTS":
        return _from_counts(records, fallback)
    if units == "GML":
        return _already_suv(records)
    if not units:
        raise missing_tag("Units")
    raise UserError(
        f"The PET has {tag_name('Units')} {units[:16]}, from which no SUV can be computed.",
        "Give the PET in BQML, GML or Philips counts (CNTS).",
    )


def _check_corrections(records: Sequence[pydicom.Dataset]) -> None:
    common_text(records, "CorrectedImage")
    value = records[0].get("CorrectedImage")
    if not value:
        raise missing_tag("CorrectedImage")
    done = {value} if isinstance(value, str) else set(value)
    for name, words in _CORRECTIONS:
        if not words & done:
            raise UserError(
                f"The PET is not corrected for {name} ({tag_name('CorrectedImage')} lacks {' or '.join(sorted(words))})"
                ", so it cannot be turned into SUV.",
                "Give the corrected series of the same scan.",
            )


def _already_suv(records: Sequence[pydicom.Dataset]) -> SuvScale:
    kind = common_text(records, "SUVType")
    if kind not in ("", "BW"):
        raise UserError(
            f"The PET is in SUV of another kind ({tag_name('SUVType')} is {kind[:16]}), not by body weight.",
            "Give the PET in Bq/ml or in SUV by body weight.",
        )
    return SuvScale(1.0, "GML")


def _from_counts(records: Sequence[pydicom.Dataset], fallback: SuvFallback) -> SuvScale:
    direct = _philips_factor(records, _SUV_FACTOR)
    if direct is not None:
        return SuvScale(direct, "CNTS")
    activity = _philips_factor(records, _ACTIVITY_FACTOR)
    if activity is None:
        raise UserError(
            "The PET is in counts, and the DICOM files lack the Philips factors SUV Scale Factor (7053,1000) and "
            "Activity Concentration Scale Factor (7053,1009).",
            EXPORT_AGAIN,
        )
    return _body_weight(records, "CNTS", activity, fallback)


def _philips_factor(records: Sequence[pydicom.Dataset], element: int) -> float | None:
    """Return a Philips factor that all slices share; Philips writes 0 for none."""
    values = {_philips_number(record, element) for record in records}
    if len(values) > 1:
        raise UserError(
            f"The slices of the PET differ in the Philips factor (7053,10{element:02X}).", "Export the series again."
        )
    value = values.pop()
    return value if value is not None and value > 0 else None


def _philips_number(record: pydicom.Dataset, element: int) -> float | None:
    try:
        value = record.private_block(_PHILIPS_GROUP, _PHILIPS_CREATOR)[element].value
        # Files with implicit value representation give private values as bytes.
        text = value.decode("ascii") if isinstance(value, bytes) else str(value or "")
        return float(text.strip("\0 ")) if text.strip("\0 ") else None
    except KeyError:
        return None
    except (ValueError, TypeError) as error:
        raise UserError(
            f"The Philips factor (7053,10{element:02X}) is not a number in the DICOM files.", "Export the series again."
        ) from error


def _body_weight(
    records: Sequence[pydicom.Dataset], units: str, activity_factor: float, fallback: SuvFallback
) -> SuvScale:
    """Return the factor for values that are Bq/ml once multiplied by `activity_factor`."""
    assumed: list[str] = []
    correction = _decay_correction(records)
    common_text(records, "PatientWeight")
    weight_kg = positive_of(records[0], "PatientWeight")
    if weight_kg is None:
        weight_kg = _stand_in("PatientWeight", fallback.weight_kg, "weight {:g} kg", 1.0, assumed)
    dose = _dose_item(records[0])
    dose_bq = positive_of(dose, "RadionuclideTotalDose")
    if dose_bq is None:
        dose_bq = _stand_in("RadionuclideTotalDose", fallback.dose_bq, "dose {:g} MBq", 1e-6, assumed)
    if dose_bq < _SMALLEST_DOSE_BQ:
        raise UserError(
            f"{tag_name('RadionuclideTotalDose')} is too small to be in Bq; it seems to be in MBq.",
            "Correct the tag, or give a PET that is in SUV already.",
        )
    uptake = None
    if correction == "START":
        half_life_seconds = positive_of(dose, "RadionuclideHalfLife")
        if half_life_seconds is None:
            raise missing_tag("RadionuclideHalfLife")
        uptake = _uptake(records, dose, half_life_seconds, fallback, assumed)
        dose_bq *= 2.0 ** (-uptake.seconds / half_life_seconds)
    return SuvScale(activity_factor * weight_kg * 1000.0 / dose_bq, units, correction, uptake, tuple(assumed))


def _decay_correction(records: Sequence[pydicom.Dataset]) -> str:
    correction = common_text(records, "DecayCorrection")
    if not correction:
        raise missing_tag("DecayCorrection")
    if correction not in ("START", "ADMIN"):
        raise UserError(
            "The PET is not decay-corrected to the start of the scan or to the injection "
            f"({tag_name('DecayCorrection')} is {correction[:16]}).",
            "Give the decay-corrected series of the same scan.",
        )
    return correction


def _dose_item(record: pydicom.Dataset) -> pydicom.Dataset:
    items = list(record.get("RadiopharmaceuticalInformationSequence") or [])
    if not items:
        raise missing_tag("RadiopharmaceuticalInformationSequence")
    if len({(number_of(item, "RadionuclideTotalDose"), text_of(item, "RadionuclideHalfLife")) for item in items}) > 1:
        raise UserError(
            f"{tag_name('RadiopharmaceuticalInformationSequence')} lists several injections.",
            "Give a PET that is in SUV already.",
        )
    return items[0]


def _stand_in(keyword: str, value: float | None, words: str, unit: float, assumed: list[str]) -> float:
    if value is None or not value > 0:
        raise missing_tag(keyword)
    assumed.append(words.format(value * unit))
    return value


def _uptake(
    records: Sequence[pydicom.Dataset],
    dose: pydicom.Dataset,
    half_life_seconds: float,
    fallback: SuvFallback,
    assumed: list[str],
) -> Uptake:
    """Return the uptake time by the tags, or the fallback where a time is missing (not where times contradict)."""
    needed = ("SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime")
    known = all(text_of(record, keyword) for record in records for keyword in needed)
    known = known and any(text_of(dose, f"RadiopharmaceuticalStart{end}") for end in ("DateTime", "Time"))
    if known or fallback.uptake_seconds is None:
        return uptake_time(records, dose, half_life_seconds)
    seconds = _stand_in(
        "RadiopharmaceuticalStartTime", fallback.uptake_seconds, "uptake time {:g} min", 1 / 60, assumed
    )
    return Uptake(seconds, "assumed")
