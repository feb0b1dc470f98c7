"""A table of outcomes of one's own, joined to the cases of a data set by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from LesionLensLib.cohort.importers.each_lesion import lesion_case
from LesionLensLib.cohort.importers.found import Found, safe_name
from LesionLensLib.cohort.importers.table_file import read_table
from LesionLensLib.errors import UserError

LABEL = "label"
# A spreadsheet or pandas makes decimals of numbers as soon as one is missing.
_VALUES = {"0": "0", "1": "1", "0.0": "0", "1.0": "1", "": ""}


@dataclass(frozen=True)
class OutcomeTable:
    """The label ("0", "1", or "" where unknown) by the name of the case; `by_lesion` where lines are lesions."""

    file: str
    labels: Mapping[str, str]
    by_lesion: bool


def read_outcomes(path: Path, column: str = "") -> OutcomeTable:
    """Read the columns `case`, `column` (default: label) and, where lines are lesions, `lesion`: its number from 1.

    Raises `UserError` for a table that cannot be read, a column that is missing, a value other than 0, 1 and nothing,
    and a line that comes twice.
    """
    rows, wanted = read_table(path), column or LABEL
    if not rows:
        raise UserError(f"The table {path.name} has no line.", "Give a line for each case with its outcome.")
    for name in ("case", wanted):
        if name not in rows[0]:
            told = ", ".join(filter(None, rows[0]))
            remedy = f"It has: {told}. --label-column names that of the outcome."
            raise UserError(f"The table {path.name} has no column {name}.", remedy)
    by_lesion = "lesion" in rows[0]
    labels: dict[str, str] = {}
    for row in rows:
        name = lesion_case(safe_name(row["case"]), _number(row)) if by_lesion else safe_name(row["case"])
        if row[wanted] not in _VALUES:
            raise UserError(
                f"The table {path.name} has the outcome {row[wanted]!r} for {name}.",
                "Write 1 where the event happened, 0 where it did not, nothing where it is unknown.",
            )
        if name in labels:
            raise UserError(f"The table {path.name} has {name} twice.", "Give every lesion or case one line.")
        labels[name] = _VALUES[row[wanted]]
    return OutcomeTable(path.name, labels, by_lesion)


def with_outcomes(found: Found, outcomes: OutcomeTable) -> Found:
    """Return the cases with the labels of the table, "" for those that it does not name.

    A line without a case is listed among those left out. Raises `UserError` where no line has one.
    """
    cases = tuple(replace(case, label=outcomes.labels.get(case.case, "")) for case in found.cases)
    known = {case.case for case in cases}
    strange = [name for name in outcomes.labels if name not in known]
    if len(strange) == len(outcomes.labels):
        example = f" It names {strange[0]}, the data set has {cases[0].case}." if cases else ""
        raise UserError(
            f"The table {outcomes.file} names no case of the data set.{example}",
            "Write the cases as the manifest does; for lesions add a column lesion with the number that "
            "--each-lesion lists.",
        )
    left_out = {name for name, _ in found.skipped}
    missing = [(name, f"{outcomes.file} names it, and there is no such case") for name in strange]
    return replace(found, cases=cases, skipped=(*found.skipped, *(one for one in missing if one[0] not in left_out)))


def _number(row: Mapping[str, str]) -> int:
    text = row["lesion"].removesuffix(".0")
    if not text.isdecimal() or int(text) < 1:
        raise UserError(
            f"The lesion of case {row['case']} is {row['lesion']!r}, not a number from 1.",
            "Write the number that --each-lesion lists, 1 for the largest lesion of the examination.",
        )
    return int(text)
