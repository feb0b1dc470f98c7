"""The images of a case of an outcome model and the lesions in them: read, registered, checked.

Predicting and explaining begin alike, and must take the very same case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from LesionLensLib.catalogue import load_typicality
from LesionLensLib.errors import InternalFault, UserError
from LesionLensLib.images.lesion_mask import read_drawn_mask
from LesionLensLib.images.pet_series import PET_MODALITY
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.case import Case, check_roles, read_case, register_case, with_brain_mask
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.device import choose_device
from LesionLensLib.inference.job_report import JobRun
from LesionLensLib.inference.lesion_target import Target, target_at, targets_in
from LesionLensLib.inference.outcome_input import preparer_of
from LesionLensLib.inference.outcome_network import OutcomeNetworks, load_outcome_networks, outcome_of
from LesionLensLib.inference.pet_ct_input import LESION
from LesionLensLib.inputs import Finding, check_inputs, raise_on_error
from LesionLensLib.inputs.check import RANK
from LesionLensLib.inputs.check_frames import check_frames
from LesionLensLib.inputs.check_lesion_cover import check_lesion_cover, lesion_points
from LesionLensLib.inputs.check_lesion_mask import check_lesion_mask
from LesionLensLib.inputs.check_pet import check_pet
from LesionLensLib.inputs.check_values import check_values
from LesionLensLib.jobs import PredictJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome.typicality import TypicalityReference
from LesionLensLib.report import input_entry


@dataclass(frozen=True)
class OutcomeRun(JobRun):
    """What stays the same from the first phase of a run to the last; `images` is the card without its mask channel."""

    job: PredictJob
    images: ModelCard
    networks: OutcomeNetworks
    typicality: TypicalityReference | None


def check_outcome_job(job: PredictJob, card: ModelCard) -> None:
    """Raise `UserError` where the card predicts no outcome, or the job gives it other images or masks than it takes."""
    outcome_of(card)
    preparer_of(card)
    images = _without_mask(card)
    check_roles(job, images)
    if job.brain_mask is not None and not any(channel.modality == "MR" for channel in images.channel_def):
        raise UserError(f"{card.id} is no model of the brain.", "Leave --mask brain=PATH out.")


def begin_outcome_run(
    job: PredictJob,
    card: ModelCard,
    clock: PhaseClock,
    load: Callable[[ModelCard], OutcomeNetworks] = load_outcome_networks,
) -> OutcomeRun:
    """Return the run with its device chosen and its networks loaded, by default as trained; raises as those do."""
    device = choose_device(job.device, fast_cpu=False)
    networks, typicality = load(card), load_typicality(card)
    return OutcomeRun(card, device, clock, job, _without_mask(card), networks, typicality)


def read_outcome_case(run: OutcomeRun) -> tuple[Case, Volume | None]:
    """Return the case, its report entries with that of the mask, and the mask as it was drawn."""
    from LesionLensLib.images.suv import SuvFallback  # pydicom takes 0.2 s to import

    job, card = run.job, run.card
    with run.clock.phase("read", "reading the images"):
        case = read_case(job, run.images, SuvFallback.of(**assumed_of(job)))
        case = with_brain_mask(case, job.brain_mask)
        drawn = None
        if job.lesion_mask is not None:
            drawn = read_drawn_mask(job.lesion_mask, case.volumes[card.reference_role])
            entry = input_entry(LESION, Path(job.lesion_mask), drawn.grid)
            case = replace(case, entries=(*case.entries, entry))
    if job.register:
        with run.clock.phase("register", "registering the channels"):
            raise_on_error(check_values(case.volumes))  # registration of NaN would run long and find nothing
            case = register_case(case, card, job.seed)
    return case, drawn


def assumed_of(job: PredictJob) -> dict[str, float | None]:
    """Return what stands in for missing DICOM tags of a PET."""
    return {
        "weight_kg": job.assumed_weight_kg,
        "dose_mbq": job.assumed_dose_mbq,
        "uptake_minutes": job.assumed_uptake_minutes,
    }


def check_outcome_case(run: OutcomeRun, case: Case, drawn: Volume | None) -> tuple[Finding, ...]:
    """Return what is worth knowing about the input; raises `UserError` for the first thing that is wrong."""
    card, volumes, reference = run.images, case.volumes, run.card.reference_role
    with run.clock.phase("check", "checking the images"):
        brain = case.brain_mask
        findings = list(
            check_inputs(volumes, card, reference, brain is not None, brain_mask=brain, transforms=case.transforms)
        )
        findings += check_frames(volumes, reference, case.transforms)
        for channel in card.channel_def:
            if channel.modality == PET_MODALITY:
                findings += check_pet(volumes[channel.role], channel.role)
        if drawn is not None:
            findings += check_lesion_mask(drawn, volumes[reference], reference, card.min_volume_ml)
        findings.sort(key=lambda finding: RANK[finding.severity])
        raise_on_error(findings)
        place = targets_of(run, case, None)[0].center_ras[None] if drawn is None else lesion_points(drawn)
        findings += check_lesion_cover(place, volumes, reference, case.transforms)
        raise_on_error(findings)
    return tuple(findings)


def targets_of(run: OutcomeRun, case: Case, drawn: Volume | None) -> tuple[Target, ...]:
    """Return the lesions of the mask as it was drawn, the largest first, or the one at the point."""
    role, center = run.card.reference_role, run.job.center_ras
    if drawn is not None:
        return targets_in(drawn, case.volumes[role], run.card.min_volume_ml)
    if center is None:
        raise InternalFault("A prediction was started without a lesion.", "Please report this fault with the log.")
    return (target_at(center, case.volumes[role], role),)


def _without_mask(card: ModelCard) -> ModelCard:
    return replace(card, channel_def=tuple(channel for channel in card.channel_def if channel.role != LESION))
