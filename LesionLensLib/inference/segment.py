"""The whole way of one case: images in, segmentation, probability, lesion table and report out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.images.resample import resample
from LesionLensLib.images.segmentation_file import Segment, write_segmentation
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume
from LesionLensLib.inference.case import (
    Case,
    check_roles,
    describe_transforms,
    job_paths,
    write_registrations,
)
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.device import make_deterministic
from LesionLensLib.inference.hemispheres import SideLoads, brain_centre_ras, side_loads
from LesionLensLib.inference.job_report import Told, finish_job
from LesionLensLib.inference.ladder import run_with_ladder
from LesionLensLib.inference.lesions import Lesion, find_lesions, write_lesions_csv
from LesionLensLib.inference.quick_estimate import QuickEstimate, quick_estimate, sides_record
from LesionLensLib.inference.segmentation_case import (
    SegmentationRun,
    begin_segmentation_run,
    prepare_brain,
    read_segmentation_case,
)
from LesionLensLib.inputs import Finding
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.progress import Progress
from LesionLensLib.results import ResultFolder, speaking_of_disk

# At what share of the whole job each phase begins, from runs of a native case on two cores.
PHASES = {"model": 0.0, "read": 0.03, "register": 0.1, "check": 0.15, "brain": 0.2, "prepare": 0.3,
          "network": 0.38, "measure": 0.85, "estimate": 0.88, "write": 0.9, "scene": 0.95}  # fmt: skip
SEGMENTATION_FILE = "segmentation.seg.nrrd"
PROBABILITY_FILE = "probability.nrrd"
BRAIN_FILE = "brain.nrrd"
LESIONS_FILE = "lesions.csv"


@dataclass(frozen=True)
class Outcome:
    """What one case came to, on the reference grid, and what the report says about how."""

    labels: Volume
    probability: Volume
    brain: Volume
    lesions: tuple[Lesion, ...]
    findings: tuple[Finding, ...]
    ladder: tuple[str, ...]
    settings: dict[str, Any]
    sides: SideLoads
    estimate: QuickEstimate | None


def run_segment(job: SegmentJob, progress: Progress) -> dict[str, Any]:
    """Run a segment job and return its report; the result folder appears whole or not at all.

    Raises `UserError`, `EnvironmentFault` or `Cancelled`; then nothing is left behind.
    """
    clock = PhaseClock(progress, PHASES)
    card = find_card(job.model)
    if card.outcome is not None:
        raise UserError(f"The model {card.id} predicts an outcome.", "Use lesionlens predict with it.")
    if card.regression is not None:
        raise UserError(f"The model {card.id} outlines nothing.", "Use a segmentation model, or lesionlens explain.")
    check_roles(job, card)
    with ResultFolder(Path(job.output), job.overwrite, [card.folder, *job_paths(job)]) as folder:
        report = _segment_into(folder.path, job, card, clock)
    progress.update("done", 1.0, "done")
    return report


def _segment_into(folder: Path, job: SegmentJob, card: ModelCard, clock: PhaseClock) -> dict[str, Any]:
    make_deterministic()
    with clock.phase("model", "loading the model"):
        run = begin_segmentation_run(job, card, clock)
    clock.progress.update("device", PHASES["read"], f"{run.device.device}: {run.device.reason}")
    case, findings = read_segmentation_case(run)
    outcome = _find_lesions_in(case, run, job)
    findings += outcome.findings
    with clock.phase("write", "writing the results"), speaking_of_disk(folder.name):
        _write_outcome(folder, outcome, card)
        write_registrations(folder, case)
    told = Told(outcome.settings, outcome.ladder, findings, _result_of(outcome))
    return finish_job(folder, job, run, case, told, job.brain_mask)


def _result_of(outcome: Outcome) -> dict[str, Any]:
    estimate = outcome.estimate
    return {
        "lesion_count": len(outcome.lesions),
        "lesion_volume_ml": round(sum(lesion.volume_ml for lesion in outcome.lesions), 6),
        "sides": sides_record(outcome.sides),
        **({} if estimate is None else {"quick_estimate": estimate.to_dict(outcome.sides)}),
    }


def _find_lesions_in(case: Case, run: SegmentationRun, job: SegmentJob) -> Outcome:
    clock = run.clock
    reference = case.volumes[run.card.reference_role]
    prepared = prepare_brain(run, case)
    with clock.phase("network", f"running {run.card.id} on {run.device.device}"):
        probability, steps = run_with_ladder(
            run.model.network,
            torch.from_numpy(prepared.images)[None],
            run.device,
            lean=job.lean,
            progress=lambda fraction, text: clock.within("network", fraction, text),
        )
    with clock.phase("measure", "measuring the lesions"):
        native = prepared.on_reference(probability, reference)
        labels, lesions = threshold_lesions(native, run.card, job.threshold, job.min_volume_ml)
        brain = Volume(prepared.inside.astype(np.uint8), prepared.grid)
        outline = resample(brain, reference.grid, "nearest")
        found = labels.with_array((labels.array != 0).astype(np.uint8))
        sides = side_loads(found, float(brain_centre_ras(brain)[0]))
    with clock.phase("estimate", "estimating the lesion load"):
        estimate, doubts = quick_estimate(case, brain) if job.quick_estimate else (None, ())
        run.warn(doubts)
    settings = {
        "threshold": run.card.threshold if job.threshold is None else job.threshold,
        "min_volume_ml": run.card.min_volume_ml if job.min_volume_ml is None else job.min_volume_ml,
        "lean": job.lean,
        "transforms": describe_transforms(job, case),
        "brain_mask": {"method": prepared.brain.method, "volume_ml": round(prepared.brain_ml, 3)},
        "network_grid": prepared.grid.to_dict(),
        "device_reason": run.device.reason,
    }
    findings = (*prepared.findings, *doubts)
    return Outcome(labels, native, outline, lesions, findings, steps, settings, sides, estimate)


def threshold_lesions(
    probability: Volume, card: ModelCard, threshold: float | None = None, min_volume_ml: float | None = None
) -> tuple[Volume, tuple[Lesion, ...]]:
    """Return the labels of the lesions and what is said of each; None takes the card's threshold and volume."""
    threshold = card.threshold if threshold is None else threshold
    # A threshold of 0 means every voxel the network saw, not the air around the head.
    above = (probability.array >= threshold) & (probability.array > 0)
    smallest_ml = card.min_volume_ml if min_volume_ml is None else min_volume_ml
    kept, lesions = find_lesions(above, probability.array, probability.grid, smallest_ml)
    return Volume(kept * np.uint8(card.labels[0].value), probability.grid), lesions


def _write_outcome(folder: Path, outcome: Outcome, card: ModelCard) -> None:
    segments = [Segment(label.id, label.name, label.value, label.color, label.terminology) for label in card.labels]
    write_segmentation(outcome.labels, segments, folder / SEGMENTATION_FILE)
    write_volume(outcome.probability, folder / PROBABILITY_FILE)
    write_volume(outcome.brain, folder / BRAIN_FILE)
    write_lesions_csv(folder / LESIONS_FILE, outcome.lesions)
