"""What an importer finds: cases with their files, and what it left out and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from LesionLensLib.errors import UserError
from LesionLensLib.images.volume import Volume

# In this order of preference; `core` is what radiotherapy calls the gross tumour: necrosis and enhancing rim.
LESION_PARTS = ("core", "whole", "enhancing")


class Made(Protocol):
    """A file of a case that does not lie in the layout as it is needed, such as a mask with other labels."""

    def make(self) -> Path | Volume:
        """Return the file where it is right as it lies, else what is to be written; raises `Unusable`."""

    def __hash__(self) -> int:
        """Return the same for equal ones: what was made last is kept."""


class Unusable(Exception):
    """Why a case cannot be used, in plain words."""


@dataclass(frozen=True)
class ImportOptions:
    """What a user may say about a layout; an importer uses what concerns it.

    `lesion` is the part of the tumour that makes the mask, one of `LESION_PARTS`. `lesion_labels` names labels by
    number or by the name that a dataset gives them. `patient` is a regular expression whose first group, found in a
    case's name, is the patient. `space` is one of several versions of the same images. `table` holds the outcomes,
    `label_column` their column.
    """

    lesion: str = LESION_PARTS[0]
    lesion_labels: tuple[str, ...] = ()
    patient: str = ""
    space: str = ""
    table: Path | None = None
    label_column: str = ""


@dataclass(frozen=True)
class FoundCase:
    """One line of the manifest to be; `files` maps a column to a file, a DICOM `FOLDER#SERIES`, or what to make."""

    case: str
    patient: str
    files: Mapping[str, Path | Made]
    split: str = ""
    label: str = ""


@dataclass(frozen=True)
class Found:
    """The usable cases, `(case, reason)` for each other one, and remarks on the whole that a person should read."""

    cases: tuple[FoundCase, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


def collect(makers: Iterable[tuple[str, Callable[[], FoundCase]]], remarks: Iterable[str] = ()) -> Found:
    """Make each named case; one that is `Unusable`, or of which something cannot be read, is left out with why.

    A name that comes twice is kept the first time: two lines of a manifest cannot have the same name.
    """
    cases: dict[str, FoundCase] = {}
    skipped = []
    for name, make in makers:
        try:
            case = make()
        except Unusable as reason:
            skipped.append((safe_name(name), str(reason)))
            continue
        except UserError as error:
            skipped.append((safe_name(name), error.message))
            continue
        case = replace(case, case=safe_name(case.case), patient=safe_name(case.patient))
        if case.case in cases:
            skipped.append((case.case, "another case has the same name"))
            continue
        cases[case.case] = case
    return Found(tuple(cases.values()), tuple(skipped), tuple(remarks))


def safe_name(text: str) -> str:
    """Return a name that can be that of a folder: letters, digits, point, dash and underscore."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "case"
