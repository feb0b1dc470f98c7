"""Read single DICOM tags so that whatever is wrong with one is said with its name and number, never with its value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pydicom
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.tag import Tag

from LesionLensLib.errors import UserError

EXPORT_AGAIN = "Export the original series again with this tag; removing names from a series often removes it as well."


def tag_name(keyword: str) -> str:
    """Return a tag as people know it, for example `Patient's Weight (0010,1030)`."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"{dictionary_description(tag)} ({tag.group:04X},{tag.element:04X})"


def missing_tag(*keywords: str) -> UserError:
    """Return the error for a tag, or for several of which one would do, that is not there or empty."""
    return UserError(f"The DICOM files lack {' and '.join(tag_name(k) for k in keywords)}.", EXPORT_AGAIN)


def text_of(record: pydicom.Dataset, keyword: str) -> str:
    """Return the value as text, empty where the tag is missing or empty; raises `UserError` for a malformed one."""
    try:
        value = record.get(keyword)
    except (ValueError, TypeError) as error:
        raise UserError(f"{tag_name(keyword)} is malformed in the DICOM files.", "Export the series again.") from error
    return "" if value is None else str(value).strip()


def number_of(record: pydicom.Dataset, keyword: str) -> float | None:
    """Return the value as a number; None where the tag is missing or empty; raises `UserError` for anything else."""
    text = text_of(record, keyword)
    try:
        value = float(text) if text else None
    except ValueError as error:
        raise _no_number(keyword) from error
    if value is not None and not math.isfinite(value):
        raise _no_number(keyword)
    return value


def positive_of(record: pydicom.Dataset, keyword: str) -> float | None:
    """Return the value where it is above 0; scanners write 0 for what nobody typed in, which is None here."""
    value = number_of(record, keyword)
    return value if value is not None and value > 0 else None


def common_text(records: Sequence[pydicom.Dataset], keyword: str) -> str:
    """Return the text that all files of a series share; raises `UserError` where they differ."""
    values = {text_of(record, keyword) for record in records}
    if len(values) > 1:
        raise UserError(
            f"The files of the series differ in {tag_name(keyword)}.",
            "Give the series as the scanner made it, not one put together from several.",
        )
    return values.pop()


def _no_number(keyword: str) -> UserError:
    return UserError(f"{tag_name(keyword)} is not a number in the DICOM files.", "Export the series again.")
