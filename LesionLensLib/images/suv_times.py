"""When the radiopharmaceutical was given and to which moment a PET is decay-corrected (DecayCorrection START).

Source: QIBA vendor-neutral pseudo-code for SUV (2018): the series time, unless it is later than the acquisition (a
series made afterwards); then GE's private scan time, else counted back from the earliest bed position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pydicom
from pydicom.valuerep import DA, DT, TM

from LesionLensLib.errors import UserError
from LesionLensLib.images.dicom_tags import common_text, missing_tag, positive_of, tag_name, text_of

_GE_CREATOR, _GE_GROUP, _GE_SCAN_TIME = "GEMS_PETD_01", 0x0009, 0x0D
# After ten half-lives a thousandth is left: no scan is made then, so one of the times is wrong.
_LONGEST_HALF_LIVES = 10.0
# Injection and scan lie within one day for every radionuclide that decays faster than this (18F: 1.8 h, 64Cu: 12.7 h).
_SHORT_LIVED_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Uptake:
    """Seconds from injection to the moment of decay correction, and where the two times come from."""

    seconds: float
    scan_source: str
    injection_date_replaced: bool = False


def uptake_time(records: Sequence[pydicom.Dataset], dose: pydicom.Dataset, half_life_seconds: float) -> Uptake:
    """Return the time over which the injected dose decayed before the moment to which the PET is corrected.

    `records` are the headers of all slices, `dose` the item of the Radiopharmaceutical Information Sequence. Raises
    `UserError` that names the tag for missing, unreadable and contradicting times.
    """
    scan, source = scan_start(records, half_life_seconds)
    injection, replaced = _injection(records[0], dose, scan, half_life_seconds)
    return Uptake((scan - injection).total_seconds(), source, replaced)


def scan_start(records: Sequence[pydicom.Dataset], half_life_seconds: float) -> tuple[datetime, str]:
    """Return the moment to which a PET with DecayCorrection START is corrected, and the name of its source."""
    for keyword in ("SeriesDate", "SeriesTime"):
        common_text(records, keyword)
    series = _moment(records[0], "SeriesDate", "SeriesTime")
    starts = [_moment(record, "AcquisitionDate", "AcquisitionTime") for record in records]
    earliest, record = min(zip(starts, records, strict=True), key=lambda pair: pair[0])
    if series <= earliest:
        return series, "series time"
    private = _ge_scan_time(record)
    if private is not None:
        return private, "GE private scan time"
    return earliest - timedelta(seconds=_offset_seconds(record, half_life_seconds)), "earliest acquisition time"


def _offset_seconds(record: pydicom.Dataset, half_life_seconds: float) -> float:
    """Return how long before this bed position the scan began, 0 where the file does not say.

    Frame Reference Time is the offset of the moment at which the activity equals its mean over the frame.
    """
    reference_ms, duration_ms = positive_of(record, "FrameReferenceTime"), positive_of(record, "ActualFrameDuration")
    if reference_ms is None or duration_ms is None:
        return 0.0
    decay_rate = math.log(2.0) / half_life_seconds
    decayed = decay_rate * duration_ms / 1000.0
    mean_activity_seconds = math.log(decayed / -math.expm1(-decayed)) / decay_rate
    return reference_ms / 1000.0 - mean_activity_seconds


def _injection(
    record: pydicom.Dataset, dose: pydicom.Dataset, scan: datetime, half_life_seconds: float
) -> tuple[datetime, bool]:
    """Return the time of injection, and whether its date had to be taken from the scan against what the file says."""
    longest = timedelta(seconds=_LONGEST_HALF_LIVES * half_life_seconds)
    stated = _date_time(record, dose)
    if stated is not None and timedelta(0) <= scan - stated <= longest:
        return stated, False
    if stated is not None and half_life_seconds > _SHORT_LIVED_SECONDS:
        raise _impossible("RadiopharmaceuticalStartDateTime")
    keyword = "RadiopharmaceuticalStartTime" if stated is None else "RadiopharmaceuticalStartDateTime"
    clock = _clock(dose, "RadiopharmaceuticalStartTime") if stated is None else stated.time()
    if clock is None:
        raise missing_tag("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime")
    # Where only the clock time is known, or dates were shifted apart by de-identification, midnight may lie between.
    moment = datetime.combine(scan.date(), clock)
    if moment > scan:
        moment -= timedelta(days=1)
    if scan - moment > longest:
        raise _impossible(keyword)
    return moment, stated is not None


def _impossible(keyword: str) -> UserError:
    return UserError(
        f"{tag_name(keyword)} lies after the scan or too long before it for this radionuclide.",
        "Check the times of injection and scan in the DICOM files.",
    )


def _moment(record: pydicom.Dataset, date_keyword: str, time_keyword: str) -> datetime:
    text, clock = text_of(record, date_keyword), _clock(record, time_keyword)
    if not text:
        raise missing_tag(date_keyword)
    if clock is None:
        raise missing_tag(time_keyword)
    try:
        return datetime.combine(DA(text), clock)
    except (ValueError, TypeError) as error:
        raise _unreadable(tag_name(date_keyword)) from error


def _clock(record: pydicom.Dataset, keyword: str) -> TM | None:
    text = text_of(record, keyword)
    try:
        return TM(text) if text else None
    except (ValueError, TypeError) as error:
        raise _unreadable(tag_name(keyword)) from error


def _date_time(record: pydicom.Dataset, dose: pydicom.Dataset) -> datetime | None:
    """Return the stated moment of injection in the local time of the other tags."""
    text, zone = text_of(dose, "RadiopharmaceuticalStartDateTime"), text_of(record, "TimezoneOffsetFromUTC")
    if not text:
        return None
    if len(text.split("+")[0].split("-")[0].split(".")[0]) < 12:
        raise _unreadable(tag_name("RadiopharmaceuticalStartDateTime"))
    try:
        stated = DT(text)
        local = DT(f"20000101000000{zone}").tzinfo if zone else None
    except (ValueError, TypeError) as error:
        raise _unreadable(tag_name("RadiopharmaceuticalStartDateTime")) from error
    moment = datetime.combine(stated.date(), stated.time(), stated.tzinfo)
    if moment.tzinfo is not None and local is not None:
        moment = moment.astimezone(local)
    return moment.replace(tzinfo=None)


def _ge_scan_time(record: pydicom.Dataset) -> datetime | None:
    try:
        value = record.private_block(_GE_GROUP, _GE_CREATOR)[_GE_SCAN_TIME].value
    except KeyError:
        return None
    # Files with implicit value representation give private values as bytes.
    text = (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")).strip("\0 ")
    if not text:
        return None
    try:
        moment = DT(text)
    except (ValueError, TypeError) as error:
        raise _unreadable("The GE private scan time (0009,100D)") from error
    return datetime.combine(moment.date(), moment.time())


def _unreadable(name: str) -> UserError:
    return UserError(f"{name} is not a full date or time in the DICOM files.", "Export the series again.")
