"""A data set of simulated lesions from one seed, and what is reachable on it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from LesionLensLib.training.contrast_synthesis import SynthesisRange
from LesionLensLib.training.manifest_table import write_records
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.mechanism import FailureMechanism, bayes_auc, expected_auc
from LesionLensLib.training.metastases.records import read_truth, write_patient
from LesionLensLib.training.metastases.simulate import SimulatedPatient, simulate_patient
from LesionLensLib.training.metastases.soil import ROLES, Soil
from LesionLensLib.training.metastases.soil_sources import repainted
from LesionLensLib.training.outcome.parts import TEST

COLUMNS = ("case", "patient", "split", "label", *ROLES, "brain", "lesion", "parts", "truth")
MANIFEST_FILE = "cohort.csv"
SUMMARY_FILE = "cohort.json"


@dataclass(frozen=True)
class CohortRecipe:
    """How many lesions, from which seed; `painted_share` of the patients in real anatomy get contrasts painted anew.

    The synthesis stands for other scanners: without it, grey and white matter of a few heads would be all a network
    ever sees.
    """

    lesions: int = 300
    seed: int = 0
    painted_share: float = 0.35
    limits: MetastasisRange = field(default_factory=MetastasisRange)
    mechanism: FailureMechanism = field(default_factory=FailureMechanism)
    synthesis: SynthesisRange = field(default_factory=SynthesisRange)


def simulate_cohort(soils: Sequence[Soil], recipe: CohortRecipe) -> Iterator[SimulatedPatient]:
    """Yield patients until there are `recipe.lesions` or a few more; patient n depends on seed and n alone.

    Patients of one soil share its anatomy, whatever was done to it (`ground.patient` names it).
    """
    produced, number = 0, 0
    while produced < recipe.lesions:
        rng = np.random.default_rng([recipe.seed, 4, number])
        soil = soils[int(rng.integers(len(soils)))]
        if soil.kind == "real" and rng.random() < recipe.painted_share:
            soil = repainted(soil, recipe.synthesis, rng)
        patient = simulate_patient(soil, int(rng.integers(2**31)), recipe.limits, recipe.mechanism)
        if patient.lesions:
            yield patient
        produced += len(patient.lesions)
        number += 1


def write_cohort(patients: Iterable[SimulatedPatient], folder: Path, tested: Collection[str]) -> dict[str, Any]:
    """Write a folder a patient, the manifest and what is reachable; return the latter, by split.

    Patients in the anatomies called `tested` become the test split: no network learns from those heads.
    """
    folder = folder.resolve()
    records = []
    for number, patient in enumerate(patients):
        name = f"sim{number:04d}"
        split = TEST if patient.ground.patient in tested else "train"
        records += [{**record, "split": split} for record in write_patient(patient, folder / name, name)]
    write_records(folder / MANIFEST_FILE, COLUMNS, records)
    truths = [(record["split"], read_truth(Path(record["truth"]))) for record in records]
    splits = dict.fromkeys(split for split, _ in truths)
    summary = {split: reachable([truth for of, truth in truths if of == split]) for split in splits}
    (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def reachable(truths: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a predictor can reach on lesions with these truth records.

    `bayes_auc` is the best of all, `auc_of` that of each quantity alone: a network that is no better than `volume_ml`
    has only learnt to measure size.
    """
    p = np.array([truth["probability"] for truth in truths])
    names = ("volume_ml", "necrosis_share", "oedema_heterogeneity")
    measured = {name: np.array([truth["measures"][name] for truth in truths]) for name in names}
    return {
        "lesions": len(truths),
        "patients": len({truth["patient"] for truth in truths}),
        "expected_event_rate": float(p.mean()),
        "observed_event_rate": float(np.mean([truth["outcome"] for truth in truths])),
        "bayes_auc": bayes_auc(p),
        "auc_of": {name: expected_auc(values, p) for name, values in measured.items()},
        "quantities": {
            name: {"mean": float(values.mean()), "sd": float(values.std())} for name, values in measured.items()
        },
    }
