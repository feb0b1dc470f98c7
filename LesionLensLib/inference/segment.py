"""The whole way of one case: images in, segmentation, probability, lesion table and report out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.segmentation_file import Segment, write_segmentation
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume
from LesionLensLib.inference.brain import BrainMask, brain_findings, estimate_brain_mask
from LesionLensLib.inference.case import (
    Case,
    check_roles,
    describe_transforms,
    job_paths,
    read_case,
    register_case,
    with_brain_mask,
    write_registrations,
)
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.device import choose_device, make_deterministic
from LesionLensLib.inference.job_report import JobRun, Told, finish_job
from LesionLensLib.inference.ladder import run_with_ladder
from LesionLensLib.inference.lesions import Lesion, find_lesions, write_lesions_csv
from LesionLensLib.inference.network import Model, load_model
from LesionLensLib.inference.prepared_channels import prepare_channels
from LesionLensLib.inference.region import brain_box, given_brain_mask, whole_network_grid
from LesionLensLib.inputs import Finding, check_inputs, raise_on_error
from LesionLensLib.inputs.check_values import check_values
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.progress import Progress
from LesionLensLib.results import ResultFolder, speaking_of_disk

# At what share of the whole job each phase begins, from runs of a native case on two cores.
PHASES = {"model": 0.0, "read": 0.03, "register": 0.1, "check": 0.15, "brain": 0.2, "prepare": 0.3,
          "network": 0.38, "measure": 0.85, "write": 0.9, "scene": 0.95}  # fmt: skip
SEGMENTATION_FILE = "segmentation.seg.nrrd"
PROBABILITY_FILE = "probability.nrrd"
BRAIN_FILE = "brain.nrrd"
LESIONS_FILE = "lesions.csv"


@dataclass(frozen=True)
class Run(JobRun):
    """What stays the same from the first phase of a run to the last."""

    job: SegmentJob
    model: Model


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
        run = Run(card, choose_device(job.device), clock, job, load_model(card))
    clock.progress.update("device", PHASES["read"], f"{run.device.device}: {run.device.reason}")
    case, findings = _read_and_check(run)
    outcome = _find_lesions_in(case, run)
    findings += outcome.findings
    with clock.phase("write", "writing the results"), speaking_of_disk(folder.name):
        _write_outcome(folder, outcome, card)
        write_registrations(folder, case)
    result = {
        "lesion_count": len(outcome.lesions),
        "lesion_volume_ml": round(sum(lesion.volume_ml for lesion in outcome.lesions), 6),
    }
    told = Told(outcome.settings, outcome.ladder, findings, result)
    return finish_job(folder, job, run, case, told, job.brain_mask)


def _read_and_check(run: Run) -> tuple[Case, tuple[Finding, ...]]:
    job, card, clock = run.job, run.card, run.clock
    with clock.phase("read", "reading the images"):
        case = with_brain_mask(read_case(job, card), job.brain_mask)
    if job.register:
        with clock.phase("register", "registering the channels"):
            raise_on_error(check_values(case.volumes))  # registration of NaN would run long and find nothing
            case = register_case(case, card, job.seed)
    with clock.phase("check", "checking the images"):
        findings = check_inputs(
            case.volumes, card, card.reference_role, case.brain_mask is not None,
            brain_mask=case.brain_mask, transforms=case.transforms,
        )  # fmt: skip
        raise_on_error(findings)
        run.warn(findings)
    return case, findings


def _find_lesions_in(case: Case, run: Run) -> Outcome:
    card, clock = run.card, run.clock
    reference = case.volumes[card.reference_role]
    grid = whole_network_grid(reference.grid, card)
    with clock.phase("prepare", "putting the channels onto one grid"):
        channels = {role: case.on_grid(role, grid) for role in card.roles}
    with clock.phase("brain", "finding the brain"):
        brain = _brain_of(case, channels, run)
        findings = brain_findings(brain, card)
        run.warn(findings)
    box, part = brain_box(brain.mask, grid)
    with clock.phase("prepare", "normalising the channels"):
        inside = brain.mask[part]
        stack = prepare_channels(
            [channels[role].array[part] for role in card.roles], inside, box.spacing_mm[::-1], card.normalization
        )
        del channels
    with clock.phase("network", f"running {card.id} on {run.device.device}"):
        probability, steps = run_with_ladder(
            run.model.network,
            torch.from_numpy(stack)[None],
            run.device,
            lean=run.job.lean,
            progress=lambda fraction, text: clock.within("network", fraction, text),
        )
    with clock.phase("measure", "measuring the lesions"):
        native = _on_reference(probability * inside, box, reference)
        labels, lesions = _threshold(native, run)
        outline = resample(Volume(inside.astype(np.uint8), box), reference.grid, "nearest")
    settings = {
        "threshold": _threshold_of(run),
        "min_volume_ml": _min_volume_of(run),
        "lean": run.job.lean,
        "transforms": describe_transforms(run.job, case),
        "brain_mask": {"method": brain.method, "volume_ml": round(float(brain.mask.sum()) * grid.voxel_ml, 3)},
        "network_grid": box.to_dict(),
        "device_reason": run.device.reason,
    }
    return Outcome(labels, native, outline, lesions, findings, steps, settings)


def _brain_of(case: Case, channels: dict[str, Volume], run: Run) -> BrainMask:
    if case.brain_mask is not None:
        return BrainMask(given_brain_mask(case.brain_mask, channels[run.card.reference_role].grid), "given")
    brain = estimate_brain_mask(channels, run.card, run.model.brain_weights)
    if not brain.mask.any():
        raise UserError(
            "No brain was found in the images.", "Check that they show a head, or give a brain mask with --mask."
        )
    return brain


def _on_reference(probability: NDArray[np.float32], box: Grid, reference: Volume) -> Volume:
    """Bring the probability `(D, H, W)` back onto the reference grid; outside of what the network saw it is 0."""
    back = resample(Volume(probability.astype(np.float32), box), reference.grid)
    return Volume(np.clip(back.array, 0.0, 1.0), reference.grid)


def _threshold(probability: Volume, run: Run) -> tuple[Volume, tuple[Lesion, ...]]:
    # A threshold of 0 means every voxel the network saw, not the air around the head.
    above = (probability.array >= _threshold_of(run)) & (probability.array > 0)
    kept, lesions = find_lesions(above, probability.array, probability.grid, _min_volume_of(run))
    return Volume(kept * np.uint8(run.card.labels[0].value), probability.grid), lesions


def _threshold_of(run: Run) -> float:
    return run.card.threshold if run.job.threshold is None else run.job.threshold


def _min_volume_of(run: Run) -> float:
    return run.card.min_volume_ml if run.job.min_volume_ml is None else run.job.min_volume_ml


def _write_outcome(folder: Path, outcome: Outcome, card: ModelCard) -> None:
    segments = [Segment(label.id, label.name, label.value, label.color, label.terminology) for label in card.labels]
    write_segmentation(outcome.labels, segments, folder / SEGMENTATION_FILE)
    write_volume(outcome.probability, folder / PROBABILITY_FILE)
    write_volume(outcome.brain, folder / BRAIN_FILE)
    write_lesions_csv(folder / LESIONS_FILE, outcome.lesions)
