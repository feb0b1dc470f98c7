"""Find DICOM files and read their headers without a word on the terminal: pydicom's remarks quote the values."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from LesionLensLib.errors import UserError

_PREAMBLE = 128
# A file without preamble starts at once with file meta or identifying elements, in little endian.
_FIRST_GROUPS = (0x0002, 0x0008)
_HIGHEST_FIRST_ELEMENT = 0x0018
_UNREADABLE = (InvalidDicomError, AttributeError, ValueError, TypeError, KeyError, EOFError, NotImplementedError)


@contextmanager
def quiet_dicom() -> Iterator[None]:
    """Keep the warnings of pydicom and highdicom, which may quote a patient's name, from terminal and log.

    Values are converted when they are first asked for, so the asking belongs inside too.
    """
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def find_dicom_files(folder: Path) -> list[Path]:
    """Return the DICOM files in `folder` and its subfolders; raises `UserError` where there are none."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "DICOMDIR"]
    if not found:
        raise UserError(f"The folder {folder.name} is empty.", "Give the folder that holds the DICOM files.")
    files = [path for path in found if is_dicom_file(path)]
    if not files:
        raise UserError(
            f"The folder {folder.name} holds no DICOM files.", "Give an image file or a folder with one DICOM series."
        )
    return files


def is_dicom_file(path: Path) -> bool:
    """Return whether a file is DICOM, with the preamble of 128 bytes that the standard wants, or without."""
    with path.open("rb") as stream:
        start = stream.read(_PREAMBLE + 4)
    if start[_PREAMBLE:] == b"DICM":
        return True
    if len(start) < 8:
        return False
    group, element = struct.unpack_from("<HH", start)
    if group not in _FIRST_GROUPS or element > _HIGHEST_FIRST_ELEMENT:
        return False
    try:
        with quiet_dicom():
            record = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True)
            return str(record.get("SOPClassUID") or "").startswith("1.2.840.10008.")
    except _UNREADABLE:
        return False


def read_header(path: Path, tags: Sequence[str] | None = None) -> pydicom.Dataset:
    """Return the header of a DICOM file, all of it or these tags; raises `UserError` where it cannot be read."""
    try:
        with quiet_dicom():
            record = pydicom.dcmread(
                path, stop_before_pixels=True, specific_tags=None if tags is None else list(tags), force=True
            )
    except _UNREADABLE as error:
        raise unreadable(path, error) from error
    if not record:
        raise unreadable(path, ValueError("no element was found"))
    return record


def unreadable(path: Path, error: Exception) -> UserError:
    """Return the error for a header that is damaged; `error` says how."""
    return UserError(f"The DICOM header of {path.name} cannot be read.", "Export the series again.", repr(error))


def modality_of(path: Path) -> str:
    """Return the Modality of a file, empty where it has none."""
    with quiet_dicom():
        return str(read_header(path, ["Modality"]).get("Modality") or "")


def series_uid_of(path: Path) -> str:
    """Return the SeriesInstanceUID of a file, empty where it has none; remembered as long as the file is the same."""
    state = path.stat()
    return _series_uid(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=65536)
def _series_uid(path: Path, changed_ns: int, size: int) -> str:
    with quiet_dicom():
        return str(read_header(path, ["SeriesInstanceUID"]).get("SeriesInstanceUID") or "")


def files_of_series(folder: Path, series_uid: str) -> list[Path]:
    """Return the DICOM files below `folder` of one series, of all where no series is named.

    Raises `UserError` where there are none.
    """
    files = find_dicom_files(folder)
    if not series_uid:
        return files
    wanted = [path for path in files if series_uid_of(path) == series_uid]
    if not wanted:
        raise UserError(f"The folder {folder.name} does not hold the wanted series.", "Check the folder.", series_uid)
    return wanted
