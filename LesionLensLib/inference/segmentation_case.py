"""The images of a case of a segmentation model as its network gets them: read, checked, on one grid, in one scale.

Segmenting and explaining begin alike, and must take the very same case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.brain import BrainMask, brain_findings, estimate_brain_mask
from LesionLensLib.inference.case import Case, read_case, register_case, with_brain_mask
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.device import choose_device
from LesionLensLib.inference.job_report import JobRun
from LesionLensLib.inference.network import Model, load_model
from LesionLensLib.inference.prepared_channels import prepare_channels
from LesionLensLib.inference.region import brain_box, given_brain_mask, whole_network_grid
from LesionLensLib.inputs import Finding, check_inputs, raise_on_error
from LesionLensLib.inputs.check_values import check_values
from LesionLensLib.jobs import ExplainJob, SegmentJob
from LesionLensLib.model_card import ModelCard


@dataclass(frozen=True)
class SegmentationRun(JobRun):
    """What stays the same from the first phase of a run to the last."""

    job: SegmentJob | ExplainJob
    model: Model


@dataclass(frozen=True, eq=False)
class PreparedBrain:
    """What the network gets: `images` (C, D, H, W) on `grid`, the part of the head with the brain in it.

    `inside` (D, H, W) is the brain there, `brain` the whole of it and how it was found, `brain_ml` its volume.
    """

    images: NDArray[np.float32]
    grid: Grid
    inside: NDArray[np.bool_]
    brain: BrainMask
    brain_ml: float
    findings: tuple[Finding, ...]

    def on_reference(self, probability: NDArray[np.float32], reference: Volume) -> Volume:
        """Bring a probability (D, H, W) back onto the reference grid; outside of the brain it is 0."""
        inside = (probability * self.inside).astype(np.float32)
        back = resample(Volume(inside, self.grid), reference.grid)
        return Volume(np.clip(back.array, 0.0, 1.0), reference.grid)


def begin_segmentation_run(job: SegmentJob | ExplainJob, card: ModelCard, clock: PhaseClock) -> SegmentationRun:
    """Return the run with its device chosen and its network loaded; raises as those do."""
    return SegmentationRun(card, choose_device(job.device), clock, job, load_model(card))


def read_segmentation_case(run: SegmentationRun) -> tuple[Case, tuple[Finding, ...]]:
    """Return the case and what is worth knowing about it; raises `UserError` for the first thing that is wrong."""
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


def prepare_brain(run: SegmentationRun, case: Case) -> PreparedBrain:
    """Put the channels onto one grid, find the brain and normalise it; raises `UserError` where there is none."""
    card, clock = run.card, run.clock
    grid = whole_network_grid(case.volumes[card.reference_role].grid, card)
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
    return PreparedBrain(stack, box, inside, brain, float(brain.mask.sum()) * grid.voxel_ml, findings)


def _brain_of(case: Case, channels: dict[str, Volume], run: SegmentationRun) -> BrainMask:
    if case.brain_mask is not None:
        return BrainMask(given_brain_mask(case.brain_mask, channels[run.card.reference_role].grid), "given")
    brain = estimate_brain_mask(channels, run.card, run.model.brain_weights)
    if not brain.mask.any():
        raise UserError(
            "No brain was found in the images.", "Check that they show a head, or give a brain mask with --mask."
        )
    return brain
