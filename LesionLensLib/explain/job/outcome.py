"""Begin the explanation of a prediction: the same images, lesion and networks as `lesionlens predict` takes."""

from __future__ import annotations

import torch

from LesionLensLib.errors import UserError
from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import RiskReadout
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.lesion_target import outside_share
from LesionLensLib.inference.outcome_case import (
    OutcomeRun,
    begin_outcome_run,
    check_outcome_case,
    check_outcome_job,
    read_outcome_case,
    targets_of,
)
from LesionLensLib.inference.outcome_input import preparer_of
from LesionLensLib.inference.outcome_network import outcome_of
from LesionLensLib.inference.pet_ct_input import LESION
from LesionLensLib.inference.prediction import card_findings, view_findings
from LesionLensLib.inputs import Finding
from LesionLensLib.jobs import ExplainJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome.calibration import Calibration

MIRRORED = "Asked without the mirrored copies that a prediction averages over, so the two can differ a little."


def check_outcome_explanation(job: ExplainJob, card: ModelCard) -> None:
    """Raise `UserError` for what could not be explained, before anything is read."""
    check_outcome_job(job, card)
    if job.lesion_mask is None and job.center_ras is None:
        remedy = "Give either --mask lesion=PATH or --center R,A,S (mm)."
        raise UserError("The place of the lesion is not given.", remedy)
    if job.target not in (None, outcome_of(card).event):
        raise UserError(
            f"{card.id} has no output {job.target}.", f"It has one, {outcome_of(card).event}: leave --target out."
        )


def begin_outcome(job: ExplainJob, card: ModelCard, clock: PhaseClock) -> Begun:
    """Read and check the case and put the question: the calibrated mean of the networks of all folds.

    The networks see the lesion as it lies, not its mirrored copies, over which a prediction averages as well.
    """
    with clock.phase("model", "loading the model"):
        run = begin_outcome_run(job, card, clock)
    clock.progress.update("device", 0.1, f"{run.device.device}: {run.device.reason}")
    case, drawn = read_outcome_case(run)
    findings = (*check_outcome_case(run, case, drawn), *card_findings(card))
    targets = targets_of(run, case, drawn)
    if len(targets) > 1:
        text = f"The mask marks {len(targets)} separate lesions; the largest is explained."
        findings += (Finding("warning", "several-lesions", text, "Give a mask of the lesion that is meant."),)
    with clock.phase("prepare", "preparing the images"):
        given = preparer_of(card)(case, card)(targets[0])
    findings += view_findings(targets[0], outside_share(targets[0], given.grid))
    outcome, roles = outcome_of(card), tuple(card.roles)
    if given.values.shape[0] == len(roles) + 1:
        roles = (*roles, LESION)  # the outline goes to the network beside the images
    image = torch.from_numpy(given.values)[None].to(run.device.device)
    readout = RiskReadout(outcome.calibration or Calibration())
    question = Question(_networks(run), image, given.grid, roles, readout)
    told = {
        "event": outcome.event,
        "calibrated": readout.calibration.calibrated,
        "lesion_count": len(targets),
        "center_ras": [round(float(part), 3) for part in targets[0].center_ras],
    }
    name = f"probability of {outcome.event}"
    return Begun(
        run, job, case, question, targets[0].mask, case.brain_mask, name, "probability", findings, told,
        answer_text=MIRRORED if run.networks.views > 1 else "",
    )  # fmt: skip


def _networks(run: OutcomeRun) -> tuple[torch.nn.Module, ...]:
    """Return the networks whose mean the prediction is: those of all folds, else the final ones."""
    networks = tuple(network for fold in run.networks.folds for network in fold) or run.networks.final
    for network in networks:
        network.to(run.device.device).eval().requires_grad_(False)
    return networks
