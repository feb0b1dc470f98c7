"""A data set of simulated lesions from one seed, and what is reachable on it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from LesionLensLib.inference.lesion_roi import LIGHT_ROI, RoiPreset
from LesionLensLib.training.contrast_synthesis import SynthesisRange
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.mechanism import FailureMechanism, bayes_auc, expected_auc
from LesionLensLib.training.metastases.records import TRUTH_FILE, write_sample
from LesionLensLib.training.metastases.samples import INPUT_ROLES, LesionSample, lesion_samples
from LesionLensLib.training.metastases.simulate import simulate_patient
from LesionLensLib.training.metastases.soil import Soil
from LesionLensLib.training.metastases.soil_sources import repainted


@dataclass(frozen=True)
class CohortRecipe:
    """How many lesions, from which seed; `painted_share` of the patients in real anatomy get contrasts painted anew.

    The synthesis stands for other scanners: without it, grey and white matter of a few heads would be all a network
    ever sees.
    """

    lesions: int = 300
    seed: int = 0
    painted_share: float = 0.35
    preset: RoiPreset = LIGHT_ROI
    limits: MetastasisRange = field(default_factory=MetastasisRange)
    mechanism: FailureMechanism = field(default_factory=FailureMechanism)
    synthesis: SynthesisRange = field(default_factory=SynthesisRange)


def simulate_cohort(soils: Sequence[Soil], recipe: CohortRecipe) -> Iterator[LesionSample]:
    """Yield `recipe.lesions` samples, patient after patient; patient n depends on the recipe's seed and n alone.

    Patients of one soil share its anatomy, whatever was done to it: split by `truth["soil"]["patient"]` to be sure
    that none is on both sides.
    """
    produced, number = 0, 0
    while produced < recipe.lesions:
        rng = np.random.default_rng([recipe.seed, 4, number])
        soil = soils[int(rng.integers(len(soils)))]
        if soil.kind == "real" and rng.random() < recipe.painted_share:
            soil = repainted(soil, recipe.synthesis, rng)
        patient = simulate_patient(soil, int(rng.integers(2**31)), recipe.limits, recipe.mechanism)
        samples = lesion_samples(patient, f"sim{number:04d}", recipe.preset)[: recipe.lesions - produced]
        yield from samples
        produced += len(samples)
        number += 1


def write_cohort(samples: Iterable[LesionSample], folder: Path) -> dict[str, Any]:
    """Write a folder a lesion, `manifest.csv` and `cohort.json`; return what the latter holds (`reachable`).

    Columns of the manifest: case, patient, T1c, FLAIR, lesion, oedema, truth, label, split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    truths = []
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "patient", *INPUT_ROLES, "truth", "label", "split"])
        for sample in samples:
            write_sample(sample, folder / sample.case)
            files = [f"{sample.case}/{role}.nii.gz" for role in INPUT_ROLES] + [f"{sample.case}/{TRUTH_FILE}"]
            writer.writerow([sample.case, sample.patient, *files, sample.outcome, "train"])
            truths.append(sample.truth)
    summary = reachable(truths)
    (folder / "cohort.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
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
