"""Begin the explanation of a segmentation: the mean probability of lesion inside a mask, or in all lesions found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from LesionLensLib.errors import UserError
from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import MaskReadout
from LesionLensLib.images.lesion_mask import read_lesion_mask
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.case import Case, check_roles
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inference.ladder import run_with_ladder
from LesionLensLib.inference.passes import Predictor, is_streamed, prepare
from LesionLensLib.inference.pet_ct_input import LESION
from LesionLensLib.inference.segment import threshold_lesions
from LesionLensLib.inference.segmentation_case import (
    PreparedBrain,
    SegmentationRun,
    begin_segmentation_run,
    prepare_brain,
    read_segmentation_case,
)
from LesionLensLib.jobs import ExplainJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.report import input_entry

_LEAST = 1e-30


class FastPass(nn.Module):
    """A network run as `lesionlens segment` runs it, many times as fast as the module itself, without gradients.

    It puts out the logarithms of both classes' probabilities, of which softmax makes the probabilities again. How fine
    an impact can be told from rounding depends on the `precision` it computes in.
    """

    def __init__(self, predictor: Predictor, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.predictor, self.precision = predictor, precision

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, 2, D, H, W) of images (N, C, D, H, W)."""
        lesion = torch.stack([torch.from_numpy(self.predictor(image)) for image in images])
        both = torch.stack([1 - lesion, lesion], 1)
        return both.clamp(_LEAST).log().to(images.device)


def fast_question(question: Question, device: DeviceChoice) -> Question:
    """Return the same question to the networks as `lesionlens segment` runs them on `device`; they must not change."""
    passes = []
    for network in question.networks:
        precision = device.fast.dtype if is_streamed(network, device) else torch.float32
        passes.append(FastPass(prepare(network, device), precision))
    return replace(question, networks=tuple(passes))


class Explained(NamedTuple):
    """What the lesions are that are explained, on the reference grid, and how many pieces they have."""

    mask: Volume
    pieces: int | None


def check_segmentation_explanation(job: ExplainJob, card: ModelCard) -> None:
    """Raise `UserError` for what could not be explained, before anything is read."""
    check_roles(job, card)
    if job.center_ras is not None:
        raise UserError(
            "A segmentation is explained inside a mask, not at a point.",
            "Give --mask lesion=PATH, or neither: then all lesions that it finds are explained.",
        )
    if job.target not in (None, card.labels[0].id):
        raise UserError(f"{card.id} has no output {job.target}.", f"It has one, {card.labels[0].id}.")


def begin_segmentation(job: ExplainJob, card: ModelCard, clock: PhaseClock) -> Begun:
    """Read and check the case, find the lesions where no mask names them, and put the question.

    Raises `UserError` where there is no lesion to explain.
    """
    with clock.phase("model", "loading the model"):
        run = begin_segmentation_run(job, card, clock)
    case, findings = read_segmentation_case(run)
    case = _with_entry_of_mask(job, case, card)
    brain = prepare_brain(run, case)
    image = torch.from_numpy(brain.images)[None]
    with clock.phase("prepare", "finding the lesions"):
        explained = _explained(run, case, brain, image)
    network = run.model.network.eval().requires_grad_(False).to(run.device.device)
    inside = resample(explained.mask, brain.grid, "nearest").array != 0
    if not inside.any():
        raise UserError("The mask of the lesion lies outside of the brain.", "Give a mask made on these images.")
    readout = MaskReadout(torch.from_numpy(inside))
    given = image.to(run.device.device)
    question = Question((network,), given, brain.grid, tuple(card.roles), readout)
    fast = fast_question(question, run.device)
    label = card.labels[0].name
    told = {"event": label, "lesion_count": explained.pieces}
    whole = Volume(brain.inside.astype(np.uint8), brain.grid)
    name = f"mean probability of {label} inside the mask"
    return Begun(
        run, job, case, question, explained.mask, whole, name, "probability", (*findings, *brain.findings), told, fast
    )


def _with_entry_of_mask(job: ExplainJob, case: Case, card: ModelCard) -> Case:
    if job.lesion_mask is None:
        return case
    entry = input_entry(LESION, Path(job.lesion_mask), case.volumes[card.reference_role].grid)
    return replace(case, entries=(*case.entries, entry))


def _explained(run: SegmentationRun, case: Case, brain: PreparedBrain, image: Tensor) -> Explained:
    """Return the mask of the job, else all lesions that the network finds."""
    job, reference = run.job, case.volumes[run.card.reference_role]
    if isinstance(job, ExplainJob) and job.lesion_mask is not None:
        return Explained(read_lesion_mask(job.lesion_mask, reference), None)
    probability, _ = run_with_ladder(run.model.network, image, run.device, lean=job.lean)
    labels, lesions = threshold_lesions(brain.on_reference(probability, reference), run.card)
    if not lesions:
        raise UserError(f"{run.card.id} finds no lesion in these images.", "Name a place with --mask lesion=PATH.")
    return Explained(labels, len(lesions))
