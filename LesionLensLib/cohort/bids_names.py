"""Names of patients and cases as BIDS allows them: letters and digits alone, and no two alike."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from LesionLensLib.manifest import ManifestRow

DESCRIPTION_FILE = "dataset_description.json"
TOOL = "LesionLens"


def place_cases(rows: Sequence[ManifestRow]) -> dict[str, tuple[str, str]]:
    """Return subject and session label of every case; without a second case of any patient, the session is empty.

    A name that becomes the same as an earlier one, as `a-1` and `a1` do, gets a number after an `x`.
    """
    subjects = distinct_labels(row.patient for row in rows)
    sessions: dict[str, dict[str, str]] = {}
    for patient in subjects:
        own = [row.case for row in rows if row.patient == patient]
        # The case mostly repeats the patient: sub-METS1_ses-001 reads better than sub-METS1_ses-METS1001.
        sessions[patient] = distinct_labels(own, prefix=patient)
    needed = any(len(own) > 1 for own in sessions.values())
    return {row.case: (subjects[row.patient], sessions[row.patient][row.case] if needed else "") for row in rows}


def distinct_labels(names: Iterable[str], prefix: str = "") -> dict[str, str]:
    """Return a label of letters and digits for each different name, less `prefix` where something remains."""
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        short = name.removeprefix(prefix) if name != prefix else name
        plain = re.sub(r"[^A-Za-z0-9]", "", re.sub(r"^(sub|ses)-", "", short)) or "x"
        label, number = plain, 1
        # On some disks sub-A and sub-a are one folder.
        while label.lower() in taken:
            number += 1
            label = f"{plain}x{number}"
        taken.add(label.lower())
        labels[name] = label
    return labels


def is_our_dataset(folder: Path) -> bool:
    """Return whether a folder is a data set of derivatives that LesionLens wrote."""
    try:
        about = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        return bool(about["GeneratedBy"][0]["Name"] == TOOL)
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return False
