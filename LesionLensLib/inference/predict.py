"""The whole way of one prediction: images and the place of a lesion in, probability, outline and report out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from LesionLensLib.catalogue import find_card, load_typicality
from LesionLensLib.errors import InternalFault, UserError
from LesionLensLib.images.lesion_mask import read_drawn_mask
from LesionLensLib.images.pet_series import PET_MODALITY
from LesionLensLib.images.segmentation_file import write_segmentation
from LesionLensLib.images.volume import Volume
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
from LesionLensLib.inference.folding import fold_networks
from LesionLensLib.inference.job_report import JobRun, Told, finish_job
from LesionLensLib.inference.lesion_outline import OutlineMap, segments_of
from LesionLensLib.inference.lesion_target import Target, outside_share, target_at, targets_in
from LesionLensLib.inference.outcome_input import preparer_of
from LesionLensLib.inference.outcome_ladder import ask_with_ladder
from LesionLensLib.inference.outcome_network import OutcomeNetworks, load_outcome_networks, outcome_of
from LesionLensLib.inference.pet_ct_input import LESION
from LesionLensLib.inference.prediction import (
    NOT_COMPARED,
    SIMULATED,
    LesionPrediction,
    card_findings,
    prediction_findings,
    prediction_record,
    risk_from,
)
from LesionLensLib.inputs import Finding, check_inputs, raise_on_error
from LesionLensLib.inputs.check import RANK
from LesionLensLib.inputs.check_frames import check_frames
from LesionLensLib.inputs.check_lesion_mask import check_lesion_mask
from LesionLensLib.inputs.check_pet import check_pet
from LesionLensLib.inputs.check_values import check_values
from LesionLensLib.jobs import PredictJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome.typicality import TypicalityReference
from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.progress import Progress
from LesionLensLib.report import input_entry
from LesionLensLib.results import ResultFolder, speaking_of_disk

PHASES = {"model": 0.0, "read": 0.1, "register": 0.3, "check": 0.4, "network": 0.5, "write": 0.9, "scene": 0.93}
SEGMENTATION_FILE = "segmentation.seg.nrrd"


@dataclass(frozen=True)
class Run(JobRun):
    """What stays the same from the first phase of a run to the last; `images` is the card without its mask channel."""

    job: PredictJob
    images: ModelCard
    networks: OutcomeNetworks
    typicality: TypicalityReference | None


@dataclass(frozen=True, eq=False)
class Predicted:
    """The predictions, largest lesion first, their outlines on the reference grid, grids and steps of the networks."""

    lesions: tuple[LesionPrediction, ...]
    outlines: OutlineMap | None
    network_grids: tuple[dict[str, Any], ...]
    ladder: tuple[str, ...]


def run_predict(job: PredictJob, progress: Progress) -> dict[str, Any]:
    """Run a predict job and return its report; the result folder appears whole or not at all.

    Raises `UserError`, `EnvironmentFault` or `Cancelled`; then nothing is left behind.
    """
    clock = PhaseClock(progress, PHASES)
    card = find_card(job.model)
    outcome_of(card)
    preparer_of(card)
    images = replace(card, channel_def=tuple(c for c in card.channel_def if c.role != LESION))
    check_roles(job, images)
    if job.brain_mask is not None and not any(channel.modality == "MR" for channel in images.channel_def):
        raise UserError(f"{card.id} is no model of the brain.", "Leave --mask brain=PATH out.")
    with ResultFolder(Path(job.output), job.overwrite, [card.folder, *job_paths(job)]) as folder:
        report = _predict_into(folder.path, job, card, images, clock)
    progress.update("done", 1.0, "done")
    return report


def _predict_into(
    folder: Path, job: PredictJob, card: ModelCard, images: ModelCard, clock: PhaseClock
) -> dict[str, Any]:
    make_deterministic()
    with clock.phase("model", "loading the model"):
        device = choose_device(job.device, fast_cpu=False)
        networks = fold_networks(load_outcome_networks(card))
        run = Run(card, device, clock, job, images, networks, load_typicality(card))
    clock.progress.update("device", PHASES["read"], f"{device.device}: {device.reason}")
    case, drawn = _read(run)
    findings = (*_check(run, case, drawn), *card_findings(card))
    run.warn(findings)
    targets = _targets(run, case, drawn)
    with clock.phase("network", f"running {card.id} on {device.device}"):
        predicted = _predict(run, case, targets)
    unusual = tuple(finding for lesion in predicted.lesions for finding in prediction_findings(lesion))
    run.warn(unusual)
    with clock.phase("write", "writing the results"), speaking_of_disk(folder.name):
        _write_outlines(folder, predicted, card)
        write_registrations(folder, case)
    told = Told(_settings(run, case, predicted), predicted.ladder, (*findings, *unusual), _result(predicted, card))
    return finish_job(folder, job, run, case, told, job.brain_mask)


def _read(run: Run) -> tuple[Case, Volume | None]:
    """Return the case, its report entries with that of the mask, and the mask as it was drawn."""
    from LesionLensLib.images.suv import SuvFallback  # pydicom takes 0.2 s to import

    job, card = run.job, run.card
    with run.clock.phase("read", "reading the images"):
        case = read_case(job, run.images, SuvFallback.of(**_assumed(job)))
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


def _assumed(job: PredictJob) -> dict[str, float | None]:
    return {
        "weight_kg": job.assumed_weight_kg,
        "dose_mbq": job.assumed_dose_mbq,
        "uptake_minutes": job.assumed_uptake_minutes,
    }


def _check(run: Run, case: Case, drawn: Volume | None) -> tuple[Finding, ...]:
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
    return tuple(findings)


def _targets(run: Run, case: Case, drawn: Volume | None) -> tuple[Target, ...]:
    role, center = run.card.reference_role, run.job.center_ras
    if drawn is not None:
        return targets_in(drawn, case.volumes[role], run.card.min_volume_ml)
    if center is None:
        raise InternalFault("A prediction was started without a lesion.", "Please report this fault with the log.")
    return (target_at(center, case.volumes[role], role),)


def _predict(run: Run, case: Case, targets: tuple[Target, ...]) -> Predicted:
    card = run.card
    input_of = preparer_of(card)(case, card)
    outlines = OutlineMap(case.volumes[card.reference_role].grid)
    lesions, grids, ladder = [], [], []
    for index, target in enumerate(targets):
        which = "" if len(targets) == 1 else f"lesion {target.number}: "

        def tell(fraction: float, text: str, begun: int = index, which: str = which) -> None:
            run.clock.within("network", (begun + fraction) / len(targets), f"{which}{text}")

        given = input_of(target)
        answer, steps = ask_with_ladder(run.networks, given.values, run.device, tell, run.job.lean)
        volume_ml = None
        if answer.final.tumour is not None:
            volume_ml = outlines.add(target.number, Volume(answer.final.tumour, given.grid))
        features = None if answer.features is None else tuple(tuple(row) for row in answer.features.tolist())
        described = replace(given.described, features=features or ())
        typicality = NOT_COMPARED if run.typicality is None else run.typicality.judge(described)
        risk, has_interval = risk_from(answer, card)
        outside = outside_share(target, given.grid)
        lesions.append(LesionPrediction(target, answer, risk, has_interval, typicality, volume_ml, outside))
        grids.append(given.grid.to_dict())
        ladder += [f"{which}{step}" for step in steps]
    found = outlines if lesions[0].tumour_volume_ml is not None else None
    return Predicted(tuple(lesions), found, tuple(grids), tuple(ladder))


def _write_outlines(folder: Path, predicted: Predicted, card: ModelCard) -> None:
    if predicted.outlines is None:
        return
    note = SIMULATED_NOTE if card.evidence == SIMULATED else ""
    segments = segments_of(card.labels[0], len(predicted.lesions), note)
    write_segmentation(Volume(predicted.outlines.labels, predicted.outlines.grid), segments, folder / SEGMENTATION_FILE)


def _settings(run: Run, case: Case, predicted: Predicted) -> dict[str, Any]:
    job, outcome = run.job, outcome_of(run.card)
    return {
        "threshold": run.card.threshold,
        "normalization": run.card.normalization,
        "min_volume_ml": run.card.min_volume_ml,
        "lesion": "mask" if job.lesion_mask is not None else "point",
        "lean": job.lean,
        "transforms": describe_transforms(job, case),
        "assumed": _assumed(job),
        "modalities": {channel.role: channel.modality for channel in run.images.channel_def},
        "ensemble": {
            "members": outcome.ensemble.members,
            "folds": outcome.ensemble.folds,
            "views": outcome.ensemble.views,
        },
        "network_grids": list(predicted.network_grids),
        "device_reason": run.device.reason,
    }


def _result(predicted: Predicted, card: ModelCard) -> dict[str, Any]:
    """Return the prediction of the largest lesion, then those of all."""
    records = [prediction_record(lesion, card) for lesion in predicted.lesions]
    result = {"event": outcome_of(card).event, **records[0], "lesion_count": len(records), "lesions": records}
    return {"note": SIMULATED_NOTE, **result} if card.evidence == SIMULATED else result
