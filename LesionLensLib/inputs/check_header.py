"""What the file headers say: missing slices, unsure geometry, other patients, another contrast than claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.channel_guess import recognise, suggest_role
from LesionLensLib.inputs.findings import Finding

SERIES_CHOSEN = "series_chosen"
"""The header field that says in words which DICOM series of a study was picked for a channel."""
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "descrip", "content", "aux_file", "intent_name")


def check_header(volumes: Mapping[str, Volume], roles: Sequence[str]) -> tuple[Finding, ...]:
    """Judge the notes the reader left in the headers and the descriptions it found there."""
    findings = [finding for role, volume in volumes.items() for finding in _slices(role, volume)]
    findings += [finding for role, volume in volumes.items() for finding in _orientation(role, volume)]
    findings += [_chosen(role, volume) for role, volume in volumes.items() if SERIES_CHOSEN in volume.header]
    findings += [finding for role, volume in volumes.items() for finding in _described(role, volume, roles)]
    return (*findings, *_patients(volumes))


def _slices(role: str, volume: Volume) -> list[Finding]:
    findings = []
    if "missing_slices" in volume.header:
        count = volume.header["missing_slices"]
        findings.append(
            Finding(
                "error",
                "slices-missing",
                f"{role} lacks {count} slices in the middle of the series.",
                "Export or transfer the whole series again.",
            )
        )
    if "uneven_slices_mm" in volume.header:
        findings.append(
            Finding(
                "error",
                "slices-uneven",
                f"The slices of {role} are not evenly spaced ({volume.header['uneven_slices_mm']} mm apart).",
                "Load the series in 3D Slicer, which evens it out, and save it as NRRD.",
            )
        )
    if "duplicate_slices" in volume.header:
        findings.append(
            Finding(
                "info",
                "slices-duplicate",
                f"{volume.header['duplicate_slices']} copies of slices of {role} were left out.",
            )
        )
    return findings


def _chosen(role: str, volume: Volume) -> Finding:
    return Finding(
        "warning",
        "series-chosen",
        f"For {role} the DICOM series {volume.header[SERIES_CHOSEN]}, was taken.",
        "If another one is meant, name it: FOLDER#NUMBER.",
    )


def _orientation(role: str, volume: Volume) -> list[Finding]:
    if volume.header.get("orientation") == "missing":
        return [
            Finding(
                "warning",
                "orientation-missing",
                f"The file of {role} does not say how it lies in the patient; left and right are assumed.",
                "Convert it again from the original with a tool that keeps the orientation.",
            )
        ]
    if "sform_qform_distance_mm" in volume.header:
        return [
            Finding(
                "warning",
                "two-positions",
                f"The file of {role} states two positions, {volume.header['sform_qform_distance_mm']} mm apart; "
                "the one 3D Slicer uses (q-form) was taken.",
                "Check that the channels lie on each other.",
            )
        ]
    return []


def _described(role: str, volume: Volume, roles: Sequence[str]) -> list[Finding]:
    text = " ".join(volume.header.get(key, "") for key in _DESCRIPTIONS).strip()
    named = recognise(text)
    if named is None or named == "lesion" or suggest_role(text, "", [role]) == role:
        return []
    better = suggest_role(text, "", roles)
    remedy = f"If so, give it as {better}." if better else "The model has no channel for it."
    return [
        Finding("warning", "description-differs", f"The file given as {role} is described as {named}.", remedy),
    ]


def _patients(volumes: Mapping[str, Volume]) -> list[Finding]:
    findings = []
    for key, severity, source in (
        ("patient_hash", "error", "The DICOM headers name"),
        ("db_name_hash", "warning", "The NIfTI headers seem to name"),
    ):
        by_patient: dict[str, list[str]] = {}
        for role, volume in volumes.items():
            if key in volume.header:
                by_patient.setdefault(volume.header[key], []).append(role)
        if len(by_patient) > 1:
            groups = " and ".join(" with ".join(group) for group in by_patient.values())
            findings.append(
                Finding(
                    "error" if severity == "error" else "warning",
                    "different-patients",
                    f"{source} different patients: {groups} do not belong together.",
                    "Give channels of one patient.",
                )
            )
    return findings
