"""Simulated lesions on disk: input and masks as images, the truth as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume, write_volume
from LesionLensLib.training.metastases.masks import LesionMasks
from LesionLensLib.training.metastases.samples import INPUT_ROLES, SCHEMA, LesionSample
from LesionLensLib.training.metastases.simulate import SimulatedPatient
from LesionLensLib.training.metastases.soil import ROLES

TRUTH_FILE = "truth.json"
MASK_NAMES = ("core", "rim", "oedema", "margin", "planning_target")


def write_sample(sample: LesionSample, folder: Path) -> None:
    """Write T1c and FLAIR (z-scores), lesion and the masks of its parts (`MASK_NAMES`), and `truth.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, image in zip(ROLES, sample.input, strict=False):
        write_volume(Volume(image, sample.grid), folder / f"{role}.nii.gz")
    for name, mask in {"lesion": sample.masks.lesion, **sample.masks.parts}.items():
        write_volume(Volume(mask.astype(np.uint8), sample.grid), folder / f"{name}.nii.gz")
    (folder / TRUTH_FILE).write_text(json.dumps(sample.truth, indent=1), encoding="utf-8")


def read_sample(folder: Path) -> LesionSample:
    """Read what `write_sample` wrote; raises `UserError` for a folder that holds no simulated lesion."""
    try:
        truth = json.loads((folder / TRUTH_FILE).read_text(encoding="utf-8"))
        if truth["schema"] != SCHEMA:
            raise ValueError(f"schema {truth['schema']}")
        grid, outcome = Grid.from_dict(truth["grid"]), int(truth["outcome"])
        names = truth["case"], truth["patient"], float(truth["probability"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder.name} holds no simulated lesion.", f"Give a folder with {TRUTH_FILE} in it.", str(error)
        ) from error
    parts = {name: read_volume(folder / f"{name}.nii.gz").array > 0 for name in MASK_NAMES}
    channels = np.stack([read_volume(folder / f"{role}.nii.gz").array for role in INPUT_ROLES]).astype(np.float32)
    return LesionSample(names[0], names[1], channels, grid, LesionMasks(grid, **parts), outcome, names[2], truth)


def write_patient(patient: SimulatedPatient, folder: Path) -> None:
    """Write the whole brain: T1c and FLAIR in scanner units (int16), brain, and a mask a lesion (`lesion0`, ...)."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, channel in zip(ROLES, patient.channels, strict=True):
        values = np.clip(np.rint(channel), 0, 32767).astype(np.int16)
        write_volume(Volume(values, patient.grid), folder / f"{role}.nii.gz")
    write_volume(Volume(patient.brain.astype(np.uint8), patient.grid), folder / "brain.nii.gz")
    for number, lesion in enumerate(patient.lesions):
        mask = lesion.masks.on(patient.grid).lesion.astype(np.uint8)
        write_volume(Volume(mask, patient.grid), folder / f"lesion{number}.nii.gz")
