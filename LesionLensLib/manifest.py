"""A table of cases: `case,patient,<role>...,lesion,label,split`, paths absolute or relative to the table itself.

A path may name one DICOM series of a folder as `FOLDER#SERIES`.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from LesionLensLib.errors import UserError
from LesionLensLib.images.series_path import split_series_path

FIXED_COLUMNS = ("case", "patient", "label", "split")


@dataclass(frozen=True)
class ManifestRow:
    """One case; `files` maps a column such as T1, lesion or brain to its path, and lacks columns left empty."""

    case: str
    patient: str
    split: str = ""
    label: str = ""
    files: dict[str, Path] = field(default_factory=dict)

    def has(self, *columns: str) -> bool:
        """Whether a file is given for every one of `columns`."""
        return all(column in self.files for column in columns)


def read_manifest(path: Path, missing_files: bool = False) -> tuple[ManifestRow, ...]:
    """Read a manifest; raises `UserError` for a missing table, missing columns, a repeated case or a missing file.

    With `missing_files` a file that does not exist stays in its row, for whoever reads it to complain about.
    """
    try:
        # Spreadsheets begin a table with a mark that would become part of its first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter=delimiter_of(file.readline()))
            file.seek(0)
            columns = reader.fieldnames or []
            records = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"The manifest {path.name} cannot be read."
        raise UserError(message, "Give a table of cases as CSV in UTF-8.", str(error)) from error
    if not {"case", "patient"} <= set(columns):
        raise UserError(f"The manifest {path.name} lacks the columns case and patient.", "Add them to its first line.")
    rows = tuple(_row(record, path.parent, missing_files) for record in records)
    for name, count in Counter(row.case for row in rows).items():
        if not name or count > 1:
            raise UserError(f"The manifest has the case {name!r} empty or twice.", "Give every line its own case name.")
    return rows


def delimiter_of(header: str) -> str:
    """Return what parts the columns of a table by its first line: spreadsheets write semicolons where 0,5 is a half."""
    return max(",", ";", "\t", key=header.count)


def _row(record: dict[str, str | None], folder: Path, missing_files: bool) -> ManifestRow:
    values = {column: (value or "").strip() for column, value in record.items() if isinstance(column, str)}
    files = {}
    for column, value in values.items():
        if column in FIXED_COLUMNS or not value:
            continue
        files[column] = folder / value
        if not missing_files and not split_series_path(files[column])[0].exists():
            raise UserError(
                f"The manifest names a file that does not exist, column {column} of case {values['case']}.",
                "Correct the path; relative paths start at the manifest's own folder.",
            )
    # A column of 0, 1 and empty cells becomes 0.0 and 1.0 in pandas.
    label = values.get("label", "").removesuffix(".0")
    return ManifestRow(values["case"], values["patient"], values.get("split", ""), label, files)
