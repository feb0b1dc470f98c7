"""Simulated patients on disk: images and masks of the whole brain, and the truth about every lesion as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.training.metastases.masks import LesionMasks
from LesionLensLib.training.metastases.simulate import SimulatedLesion, SimulatedPatient
from LesionLensLib.training.metastases.soil import ROLES

SCHEMA = "lesionlens-simulated-metastasis-2"
PART_LABELS = {"core": 1, "rim": 2, "oedema": 3}
"""Values of `lesionN-parts.nii.gz`; margin and planning target follow from the lesion and the mechanism's margins."""


def write_patient(patient: SimulatedPatient, folder: Path, name: str) -> list[dict[str, str]]:
    """Write one simulated patient and return a record of the manifest for each lesion, with absolute paths.

    T1c and FLAIR in scanner units (int16), brain, and for each lesion its mask, its parts and the truth about it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for role, channel in zip(ROLES, patient.channels, strict=True):
        values = np.clip(np.rint(channel), 0, 32767).astype(np.int16)
        write_volume(Volume(values, patient.grid), folder / f"{role}.nii.gz")
    write_volume(Volume(patient.brain.astype(np.uint8), patient.grid), folder / "brain.nii.gz")
    shared = {role: str(folder / f"{role}.nii.gz") for role in (*ROLES, "brain")}
    return [
        {"case": f"{name}_lesion{number}", "patient": name, **shared, **_write_lesion(patient, number, folder, name)}
        for number in range(len(patient.lesions))
    ]


def _write_lesion(patient: SimulatedPatient, number: int, folder: Path, name: str) -> dict[str, str]:
    lesion = patient.lesions[number]
    masks = lesion.masks.on(patient.grid)
    start = f"lesion{number}"
    for suffix, mask in (("", masks.lesion.astype(np.uint8)), ("-parts", _part_labels(masks))):
        write_volume(Volume(mask, patient.grid), folder / f"{start}{suffix}.nii.gz")
    truth = truth_record(patient, lesion, name, f"{name}_{start}")
    (folder / f"{start}-truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")
    files = {"lesion": f"{start}.nii.gz", "parts": f"{start}-parts.nii.gz", "truth": f"{start}-truth.json"}
    return {column: str(folder / file) for column, file in files.items()} | {"label": str(lesion.outcome)}


def _part_labels(masks: LesionMasks) -> NDArray[np.uint8]:
    labels = np.zeros(masks.grid.shape, np.uint8)
    for part, value in PART_LABELS.items():
        labels[masks.parts[part]] = value
    return labels


def read_truth(path: Path) -> dict[str, Any]:
    """Read the truth about one lesion; raises `UserError` for a file that holds none."""
    try:
        truth: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if truth["schema"] != SCHEMA:
            raise ValueError(f"schema {truth['schema']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path.name} is not the truth about a simulated lesion.", "Simulate the lesions again.", repr(error)
        ) from error
    return truth


def truth_record(patient: SimulatedPatient, lesion: SimulatedLesion, name: str, case: str) -> dict[str, Any]:
    """Return everything that is known of a simulated lesion, as plain JSON values."""
    plan, soil = lesion.plan, patient.ground
    voxel_ml = lesion.masks.grid.voxel_ml
    return {
        "schema": SCHEMA,
        "evidence": "simulated",
        "case": case,
        "patient": name,
        "seed": patient.seed,
        "soil": {
            "name": soil.name,
            "patient": soil.patient,
            "kind": soil.kind,
            "contrast_agent": soil.contrast_agent,
        },
        "units": {role: float(unit) for role, unit in zip(ROLES, patient.units, strict=True)},
        "measures": lesion.measures.to_dict(),
        "volumes_ml": {part: float(mask.sum()) * voxel_ml for part, mask in lesion.masks.parts.items()},
        "logit_terms": lesion.terms,
        "logit": patient.mechanism.logit(lesion.measures),
        "probability": lesion.probability,
        "outcome": lesion.outcome,
        "mechanism": patient.mechanism.to_dict(),
        "drawn": {
            "center_ras": list(plan.center_ras),
            "radius_mm": plan.shape.body.radius_mm,
            "core_scale": plan.shape.core_scale,
            "oedema_reach_mm": plan.oedema.reach_mm,
            "oedema_unevenness": plan.look.oedema_unevenness,
            "mass_effect_mm": plan.mass_effect_mm,
        },
    }
