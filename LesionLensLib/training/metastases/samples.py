"""One simulated lesion as a training example: the network's input, the outcome, and the whole truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.inference.lesion_roi import RoiPreset, brain_scores, lesion_roi, roi_input
from LesionLensLib.training.metastases.masks import LesionMasks
from LesionLensLib.training.metastases.simulate import SimulatedLesion, SimulatedPatient
from LesionLensLib.training.metastases.soil import ROLES

INPUT_ROLES = (*ROLES, "lesion", "oedema")
SCHEMA = "lesionlens-simulated-metastasis-1"


@dataclass(frozen=True, eq=False)
class LesionSample:
    """A lesion in its cube: `input` (4, D, H, W) in the order of `INPUT_ROLES`, `masks` on the same `grid`.

    T1c and FLAIR are z-scores over the whole brain. `truth` is plain JSON: seed, soil, measures, terms of the logit,
    probability, outcome, mechanism, and what was drawn. `outcome` is 1 for local failure.
    """

    case: str
    patient: str
    input: NDArray[np.float32]
    grid: Grid
    masks: LesionMasks
    outcome: int
    probability: float
    truth: dict[str, Any]


def lesion_samples(patient: SimulatedPatient, name: str, preset: RoiPreset) -> list[LesionSample]:
    """Return a sample for every lesion of a patient called `name`; other lesions of the brain stay in view."""
    brain = Volume(patient.brain.astype(np.uint8), patient.grid)
    scores = [brain_scores(Volume(channel, patient.grid), brain) for channel in patient.channels]
    return [
        _sample(patient, lesion, name, f"{name}_lesion{number}", scores, preset)
        for number, lesion in enumerate(patient.lesions)
    ]


def _sample(
    patient: SimulatedPatient, lesion: SimulatedLesion, name: str, case: str, scores: list[Volume], preset: RoiPreset
) -> LesionSample:
    outline = Volume(lesion.masks.lesion.astype(np.uint8), lesion.masks.grid)
    grid = lesion_roi(outline, preset)
    oedema = outline.with_array(lesion.masks.oedema.astype(np.uint8))
    return LesionSample(
        case,
        name,
        roi_input(scores, [outline, oedema], grid),
        grid,
        lesion.masks.on(grid),
        lesion.outcome,
        lesion.probability,
        truth_record(patient, lesion, name, case, grid),
    )


def truth_record(
    patient: SimulatedPatient, lesion: SimulatedLesion, name: str, case: str, grid: Grid
) -> dict[str, Any]:
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
        "grid": grid.to_dict(),
        "roles": list(INPUT_ROLES),
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
