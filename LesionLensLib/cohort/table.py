"""`cohort.csv` and `cohort-report.json`: what is known of every case so far, in the order of the manifest."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from LesionLensLib.cohort.fields import columns_of
from LesionLensLib.cohort.order import Outcome
from LesionLensLib.manifest import ManifestRow

PENDING, DONE, ERROR = "pending", "done", "error"
FIXED = ("case", "patient", "status", "error", "seconds")


def cohort_table(rows: Sequence[ManifestRow], outcomes: Mapping[str, Outcome]) -> str:
    """Return the table as CSV text: a line a case, `pending` where nothing is known yet."""
    extra = columns_of(outcomes[row.case].fields for row in rows if row.case in outcomes)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FIXED, *extra])
    for row in rows:
        outcome = outcomes.get(row.case)
        writer.writerow([row.case, row.patient, *_state(outcome), *(_cell(outcome, name) for name in extra)])
    return text.getvalue()


def error_entries(rows: Sequence[ManifestRow], outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """Return for the report every case without a result, and all that is known about why."""
    found = [(row.case, outcomes[row.case].failure) for row in rows if row.case in outcomes]
    return [
        {"case": case, "code": failure.code, "message": failure.message, "remedy": failure.remedy}
        | ({"detail": failure.detail} if failure.detail else {})
        for case, failure in found
        if failure is not None
    ]


def status_of(outcome: Outcome | None) -> str:
    """Return the word for the column `status`."""
    if outcome is None:
        return PENDING
    return DONE if outcome.failure is None else ERROR


def _state(outcome: Outcome | None) -> tuple[str, str, str]:
    if outcome is None:
        return PENDING, "", ""
    failure = outcome.failure
    error = "" if failure is None else f"{failure.message} {failure.remedy}"
    return status_of(outcome), error, str(outcome.seconds)


def _cell(outcome: Outcome | None, name: str) -> str:
    value = None if outcome is None else outcome.fields.get(name)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
