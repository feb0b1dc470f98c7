"""The rows of a manifest that an outcome study can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.progress import Progress

OUTCOMES = ("0", "1")


def labelled_rows(rows: Sequence[ManifestRow], columns: Sequence[str]) -> list[ManifestRow]:
    """Return the rows with an outcome and a file for every one of `columns`.

    Raises `UserError` for a label other than 0 or 1, a row without a patient, and where no row is left.
    """
    labelled = [row for row in rows if row.label]
    chosen = [row for row in labelled if row.has(*columns)]
    for row in chosen:
        if row.label not in OUTCOMES:
            raise UserError(
                f"The label of case {row.case} is {row.label!r}, not an outcome.",
                "Write 1 where the event happened, 0 where it did not, nothing where it is unknown.",
            )
        if not row.patient:
            raise UserError(
                f"Case {row.case} has no patient.",
                "Name the patient of every case: cases of one patient must not be learned from and judged on.",
            )
    if not chosen:
        _refuse(labelled, columns)
    return chosen


def tell_left_out(rows: Sequence[ManifestRow], chosen: Sequence[ManifestRow], progress: Progress) -> None:
    """Warn of rows with an outcome that are not among `chosen`."""
    kept = {row.case for row in chosen}
    lost = [row.case for row in rows if row.label and row.case not in kept]
    if lost:
        which = f"{lost[0]} among them" if len(lost) > 1 else lost[0]
        progress.warn(f"Cases left out because they lack an image or the lesion mask: {len(lost)}, {which}.")


def _refuse(labelled: Sequence[ManifestRow], columns: Sequence[str]) -> NoReturn:
    wanted = list(dict.fromkeys(columns))
    if not labelled:
        told = ", ".join([*wanted, "label"])
        raise UserError("The manifest has no case with a known outcome.", f"Add rows with {told}.")
    missing = [name for name in wanted if not any(row.has(name) for row in labelled)]
    if missing:
        message = f"No case with an outcome has the {missing[0]}."
    else:
        message = f"No case with an outcome has all of {', '.join(wanted)}."
    raise UserError(message, f"Give the files in the columns {', '.join(wanted)} of the manifest.")
