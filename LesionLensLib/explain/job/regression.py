"""Begin the explanation of a measured number: one output of a regression of the whole brain, as the lesion load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from LesionLensLib.errors import UserError
from LesionLensLib.explain.job.begun import Begun, TwoSides
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import OutputReadout
from LesionLensLib.images.lesion_mask import read_lesion_mask
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.brain import BrainMask
from LesionLensLib.inference.case import Case, check_roles
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.device import choose_device
from LesionLensLib.inference.foreground import is_skull_stripped, nonzero_mask
from LesionLensLib.inference.hemispheres import SideLoads, side_loads
from LesionLensLib.inference.lesion_load import LoadInput, prepare_load
from LesionLensLib.inference.network import load_model
from LesionLensLib.inference.pet_ct_input import LESION
from LesionLensLib.inference.prediction import SIMULATED
from LesionLensLib.inference.region import given_brain_mask
from LesionLensLib.inference.segmentation_case import SegmentationRun, read_segmentation_case
from LesionLensLib.inputs import Finding
from LesionLensLib.jobs import ExplainJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.regression_card import RegressionCard, RegressionOutput
from LesionLensLib.report import input_entry

ML = "ml"
_DIGITS = 6


def check_regression_explanation(job: ExplainJob, card: ModelCard) -> None:
    """Raise `UserError` for what could not be explained, before anything is read."""
    check_roles(job, card)
    asked_output(job, card)
    both = sorted({output.name for output in _regression_of(card).outputs} & set(card.roles))
    if both:
        message = f"{card.id} has an output and an image that are both called {both[0]}, and so would be their maps."
        raise UserError(message, "Rename the output in card.json.")
    if job.center_ras is not None:
        raise UserError(
            f"{card.id} measures the whole brain, not what lies at a point.",
            "Leave --center out; --mask lesion=PATH gives the lesions that the number is compared with.",
        )


def asked_output(job: ExplainJob, card: ModelCard) -> int:
    """Return the place of the output that the job asks for, the first one where it names none; raises `UserError`."""
    names = [output.name for output in _regression_of(card).outputs]
    if job.target is None:
        return 0
    if job.target not in names:
        known = f"It has {', '.join(names)}; without --target {names[0]} is explained."
        raise UserError(f"{card.id} has no output {job.target}.", known)
    return names.index(job.target)


def begin_regression(job: ExplainJob, card: ModelCard, clock: PhaseClock) -> Begun:
    """Read and check the case, find the brain, and put the question: the asked output, in its own unit.

    The network sees the very input of `quick_load`. Raises `UserError` where no brain is known.
    """
    with clock.phase("model", "loading the model"):
        device = choose_device(job.device, fast_cpu=False)
        run = SegmentationRun(card, device, clock, job, load_model(card))
    clock.progress.update("device", 0.05, f"{device.device}: {device.reason}")
    case, findings = read_segmentation_case(run)
    case, lesion = _with_lesion(job, case, card)
    reference = case.volumes[card.reference_role]
    with clock.phase("brain", "finding the brain"):
        brain = brain_of(case, card)
        whole = Volume(brain.mask.astype(np.uint8), reference.grid)
    with clock.phase("prepare", "preparing the images"):
        given = prepare_load(case.volumes, whole, card, case.transforms)
    network = run.model.network.requires_grad_(False).to(device.device)
    image = torch.from_numpy(given.images)[None].to(device.device)
    index = asked_output(job, card)
    question = Question((network,), image, given.grid, tuple(card.roles), OutputReadout(index))
    with torch.inference_mode():
        numbers = network(image)[0].double().tolist()
    output = _regression_of(card).outputs[index]
    measured = None if lesion is None else side_loads(lesion, given.midline_r_mm)
    return Begun(
        run, job, case, question, lesion, whole, name_of(output), output.unit,
        findings=(*findings, *_findings(card, output, numbers[index])),
        told=_told(output, measured),
        answer_text=_answer_text(output, numbers[index]),
        settings={"brain_mask": {"method": brain.method, "volume_ml": round(_volume_ml(whole), 3)}},
        midline_r_mm=given.midline_r_mm,
        sides=_two_sides(_regression_of(card), given, numbers, measured),
        within=given.brain,
    )  # fmt: skip


def name_of(output: RegressionOutput) -> str:
    """Return what an output is called within a sentence."""
    return output.title[:1].lower() + output.title[1:] if output.title else output.name


def brain_of(case: Case, card: ModelCard) -> BrainMask:
    """Return the brain (D, H, W) on the reference grid: the mask that was given, else the outline of a stripped image.

    Such a model has no network that finds the brain, and in the box around a whole head the middle would not be that of
    the brain. Raises `UserError` for an empty mask and where neither is there.
    """
    reference = case.volumes[card.reference_role]
    if case.brain_mask is not None:
        return BrainMask(given_brain_mask(case.brain_mask, reference.grid), "given")
    if is_skull_stripped(reference):
        return BrainMask(nonzero_mask(reference), "stripped image")
    raise UserError(
        f"{card.id} cannot find the brain by itself, and {card.reference_role} shows the whole head.",
        "Give --mask brain=PATH; brain.nrrd in the result folder of a segmentation is such a mask.",
    )


def _with_lesion(job: ExplainJob, case: Case, card: ModelCard) -> tuple[Case, Volume | None]:
    """Return the mask of all lesions on the reference grid, and the case with its entry in the report."""
    if job.lesion_mask is None:
        return case, None
    reference = case.volumes[card.reference_role]
    lesion = read_lesion_mask(job.lesion_mask, reference)
    entry = input_entry(LESION, Path(job.lesion_mask), reference.grid)
    return replace(case, entries=(*case.entries, entry)), lesion


def _regression_of(card: ModelCard) -> RegressionCard:
    if card.regression is None:
        raise ValueError(f"{card.id} is no regression model")
    return card.regression


def _told(output: RegressionOutput, measured: SideLoads | None) -> dict[str, Any]:
    told: dict[str, Any] = {"output": output.name, "unit": output.unit}
    if output.error is not None:
        told["error_ml" if output.unit == ML else "error"] = output.error
    if measured is not None:
        sides = {"left": measured.left_ml, "right": measured.right_ml, "total": measured.total_ml}
        told["lesion_mask_ml"] = {side: round(ml, _DIGITS) for side, ml in sides.items()}
    return told


def _answer_text(output: RegressionOutput, value: float) -> str:
    error = "" if output.error is None else f" ± {output.error:.1f}"
    kind = "" if output.error is None else ", with the root mean square error on patients held out"
    return f"The network puts the {name_of(output)} at {value:.1f}{error} {output.unit}{kind}."


def _findings(card: ModelCard, output: RegressionOutput, value: float) -> tuple[Finding, ...]:
    findings = []
    if card.evidence == SIMULATED:
        remedy = "Do not read its numbers as measurements of a patient."
        findings.append(Finding("warning", "simulated-outcome", f"{card.id}: {SIMULATED_NOTE}.", remedy))
    if value < 0 and output.unit == ML:
        text = f"The network puts the {name_of(output)} below zero, at {value:.2f} ml."
        findings.append(Finding("info", "below-zero", text, "Take it for none."))
    return tuple(findings)


def _two_sides(
    regression: RegressionCard, given: LoadInput, numbers: list[float], measured: SideLoads | None
) -> TwoSides | None:
    """Return both sides where the model measures them, in ml as the mask of the lesions is."""
    differences = regression.differences
    if differences is None:
        return None
    left, right = (regression.index_of(name) for name in (differences.left, differences.right))
    if any(regression.outputs[index].unit != ML for index in (left, right)):
        return None
    return TwoSides(regression, given.midline_r_mm, SideLoads(numbers[left], numbers[right]), measured)


def _volume_ml(mask: Volume) -> float:
    return float(np.count_nonzero(mask.array)) * mask.grid.voxel_ml
