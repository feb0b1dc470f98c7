"""A small BraTS-METS-like data set: stripped heads with a few bright balls, named and labelled as the challenge does.

Labels 1 core, 2 oedema, 3 rim on one grid for all images of an examination, which is oblique, left-handed and
anisotropic here. A lesion that will fail is brighter after contrast agent, so that there is something to learn, but not
in every patient, so that there is something to calibrate.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from brain_lesion_cases import BRAIN_MM, GRID, MIDDLE, distance_from

from LesionLensLib.images import Volume, write_volume

ROOT_NAME = "ASNR-MICCAI-BraTS2023-MET-Challenge-TrainingData"
LEVELS = {"t1c": 500.0, "t1n": 400.0, "t2f": 300.0, "t2w": 350.0}


UNLIKE = (4, 9)
"""Patients whose lesion looks like the other outcome."""


def write_brats_mets_cohort(root: Path, patients: int = 16) -> dict[tuple[str, int], str]:
    """Write the data set into `root`; return the outcome ("0" or "1") by case and number of the lesion, 1 the largest.

    Patient 0 came twice, patient 1 has two lesions, of which only the larger one has a known outcome.
    """
    truth: dict[tuple[str, int], str] = {}
    for patient in range(patients):
        for visit in range(2 if patient == 0 else 1):
            case = f"BraTS-MET-{patient + 1:05d}-{visit:03d}"
            failed = patient % 2
            bright = bool(failed) != (patient in UNLIKE)
            _write_case(root / ROOT_NAME / case, case, (patient, visit), bright, 2 if patient == 1 else 1)
            truth[case, 1] = str(failed)
    return truth


def write_outcomes(truth: dict[tuple[str, int], str], path: Path, column: str = "local_failure") -> Path:
    """Write the table that a researcher has: a line a lesion."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "lesion", column])
        writer.writerows([case, number, value] for (case, number), value in truth.items())
    return path


def _write_case(home: Path, case: str, seed: tuple[int, int], bright: bool, lesions: int) -> None:
    home.mkdir(parents=True)
    rng = np.random.default_rng((*seed, 5))
    brain = distance_from(MIDDLE) <= BRAIN_MM
    images = {name: level + rng.normal(0, 20, GRID.shape) for name, level in LEVELS.items()}
    labels = np.zeros(GRID.shape, np.uint8)
    for number in range(lesions):
        side = np.array([9.0 * (-1) ** (number + 1), *rng.uniform(-3, 3, 2)])
        distance, radius = distance_from(MIDDLE + side), 5.5 - 1.5 * number + rng.random()
        labels[(distance <= radius + 2) & (labels == 0)] = 2
        labels[distance <= radius] = 3
        labels[distance <= radius / 2] = 1
        images["t1c"][distance <= radius] += 150 + 350 * bright
        images["t2f"][distance <= radius + 2] += 100
    for name, image in images.items():
        write_volume(Volume((image * brain).astype(np.float32), GRID), home / f"{case}-{name}.nii.gz")
    write_volume(Volume(labels * brain.astype(np.uint8), GRID), home / f"{case}-seg.nii.gz")
