"""`cohort-case.json`: what a finished case was made from, kept inside its own folder, so that both appear together."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from LesionLensLib.cohort.fingerprint import Fingerprint
from LesionLensLib.results import REPORT_FILE

RECORD_FILE, RECORD_SCHEMA = "cohort-case.json", 1


@dataclass(frozen=True)
class CaseRecord:
    """A finished case: its task, what it was made from, and the seconds it took."""

    case: str
    task: str
    fingerprint: Fingerprint
    seconds: float

    def write(self, folder: Path) -> None:
        """Write the record into the folder of the case."""
        record = {
            "schema": RECORD_SCHEMA,
            "case": self.case,
            "task": self.task,
            **self.fingerprint.to_dict(),
            "timing": {"seconds": self.seconds},
        }
        write_whole(folder / RECORD_FILE, json.dumps(record, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that whoever looks sees the old one or the new one, never a part."""
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_record(folder: Path) -> CaseRecord | None:
    """Return the record of a case's folder, None where there is none that this version understands."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        if record["schema"] != RECORD_SCHEMA:
            return None
        seconds = float(record["timing"]["seconds"])
        return CaseRecord(str(record["case"]), str(record["task"]), Fingerprint.from_dict(record), seconds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_whole_report(folder: Path) -> dict[str, Any] | None:
    """Return the report of a case's folder, None where it or a file that it lists is missing."""
    try:
        report: dict[str, Any] = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        whole = all((folder / entry["path"]).is_file() for entry in report["outputs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report if whole else None
