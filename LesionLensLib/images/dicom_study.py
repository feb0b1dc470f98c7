"""Group the DICOM files of a study folder into series, and find the one that somebody names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from LesionLensLib.errors import UserError
from LesionLensLib.images.dicom_headers import find_dicom_files, quiet_dicom, read_header

_TAGS = [
    "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "ProtocolName", "Modality", "ImagePositionPatient",
    "NumberOfFrames", "ImageType", "ContrastBolusAgent",
]  # fmt: skip
# What lies beside images in a study and is none itself.
_NO_IMAGES = {"SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "SR", "PR", "KO", "REG", "RWV", "DOC", "OT", "SC"}
_FEWEST_IMAGES = 5
_LISTED = 8
_SHORTEST_UID_END = 4


@dataclass(frozen=True)
class StudySeries:
    """One series of a study, with number and descriptions as the scanner gave them.

    `stacked` says that its images can be a volume, `has_agent` that they were made with a contrast agent.
    """

    uid: str
    number: str
    modality: str
    description: str
    protocol: str
    stacked: bool
    has_agent: bool
    files: tuple[Path, ...] = field(repr=False)

    @property
    def title(self) -> str:
        """How people recognise it, for example `4: Ax T2 FLAIR (MR, 26 images)`."""
        words = self.description or self.protocol or "no description"
        return f"{self.number or '-'}: {words} ({self.modality or '?'}, {len(self.files)} images)"


def list_series(folder: Path) -> tuple[StudySeries, ...]:
    """Return every series below `folder` in the order of their numbers, from the headers alone.

    Raises `UserError` for a folder without DICOM files and a header that cannot be read.
    """
    firsts: dict[str, pydicom.Dataset] = {}
    files: dict[str, list[Path]] = {}
    for path in find_dicom_files(folder):
        record = read_header(path, _TAGS)
        with quiet_dicom():
            uid = str(record.get("SeriesInstanceUID") or "")
        firsts.setdefault(uid, record)
        files.setdefault(uid, []).append(path)
    with quiet_dicom():
        found = [_series(uid, record, files[uid]) for uid, record in firsts.items() if uid]
    return tuple(sorted(found, key=lambda one: (_as_number(one.number), one.description, one.uid)))


def find_series(series: Sequence[StudySeries], wanted: str, folder: Path) -> StudySeries:
    """Return the series with this UID, number or description, or whose UID ends so; raises `UserError` otherwise."""
    text = wanted.strip().casefold()
    for fits in (
        lambda one: one.uid == wanted,
        lambda one: one.number == text,
        lambda one: text in (one.description.casefold(), one.protocol.casefold()),
        lambda one: len(text) >= _SHORTEST_UID_END and one.uid.endswith(text),
    ):
        found = [one for one in series if fits(one)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(
                f"{len(found)} series in {folder.name} are called {wanted}: {listed_series(found)}.",
                "Name the one you want by its number or by the end of its SeriesInstanceUID.",
            )
    raise UserError(
        f"The folder {folder.name} holds no series {wanted}; it holds {listed_series(series)}.",
        "Name a series by its number or its description.",
    )


def uid_of_series(folder: Path, wanted: str) -> str:
    """Return the UID of the series that `wanted` names, empty for no name; raises `UserError` as `find_series`."""
    return find_series(list_series(folder), wanted, folder).uid if wanted else ""


def _series(uid: str, record: pydicom.Dataset, files: Sequence[Path]) -> StudySeries:
    modality = str(record.get("Modality") or "").strip()
    kinds = {str(kind).upper() for kind in record.get("ImageType") or ()}
    has_place = bool(record.get("ImagePositionPatient"))
    is_stack = has_place and len(files) >= _FEWEST_IMAGES and "LOCALIZER" not in kinds
    is_enhanced = int(record.get("NumberOfFrames") or 1) > 1
    return StudySeries(
        uid=uid,
        number=str(record.get("SeriesNumber") or "").strip(),
        modality=modality,
        description=str(record.get("SeriesDescription") or "").strip(),
        protocol=str(record.get("ProtocolName") or "").strip(),
        stacked=modality not in _NO_IMAGES and (is_stack or is_enhanced),
        has_agent=bool(str(record.get("ContrastBolusAgent") or "").strip()),
        files=tuple(files),
    )


def listed_series(series: Sequence[StudySeries]) -> str:
    """Return the series in words, as many as fit into a message."""
    more = f" and {len(series) - _LISTED} more" if len(series) > _LISTED else ""
    return "; ".join(one.title for one in series[:_LISTED]) + more


def _as_number(text: str) -> int:
    return int(text) if text.isdecimal() else 10**9
