"""The whole way of one prediction: images and the place of a lesion in, probability, outline and report out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from LesionLensLib.catalogue import find_card
from LesionLensLib.images.segmentation_file import write_segmentation
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.case import (
    Case,
    describe_transforms,
    job_paths,
    write_registrations,
)
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.device import make_deterministic
from LesionLensLib.inference.job_report import Told, finish_job
from LesionLensLib.inference.kept_networks import folded_networks
from LesionLensLib.inference.lesion_outline import OutlineMap, segments_of
from LesionLensLib.inference.lesion_target import Target, outside_share
from LesionLensLib.inference.outcome_case import (
    OutcomeRun,
    assumed_of,
    begin_outcome_run,
    check_outcome_case,
    check_outcome_job,
    read_outcome_case,
    targets_of,
)
from LesionLensLib.inference.outcome_input import preparer_of
from LesionLensLib.inference.outcome_ladder import ask_with_ladder
from LesionLensLib.inference.outcome_network import outcome_of
from LesionLensLib.inference.prediction import (
    NOT_COMPARED,
    SIMULATED,
    LesionPrediction,
    card_findings,
    prediction_findings,
    prediction_record,
    risk_from,
)
from LesionLensLib.jobs import PredictJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.progress import Progress
from LesionLensLib.results import ResultFolder, speaking_of_disk

PHASES = {"model": 0.0, "read": 0.1, "register": 0.3, "check": 0.4, "network": 0.5, "write": 0.9, "scene": 0.93}
SEGMENTATION_FILE = "segmentation.seg.nrrd"


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
    check_outcome_job(job, card)
    with ResultFolder(Path(job.output), job.overwrite, [card.folder, *job_paths(job)]) as folder:
        report = _predict_into(folder.path, job, card, clock)
    progress.update("done", 1.0, "done")
    return report


def _predict_into(folder: Path, job: PredictJob, card: ModelCard, clock: PhaseClock) -> dict[str, Any]:
    make_deterministic()
    with clock.phase("model", "loading the model"):
        run = begin_outcome_run(job, card, clock, folded_networks)
    clock.progress.update("device", PHASES["read"], f"{run.device.device}: {run.device.reason}")
    case, drawn = read_outcome_case(run)
    findings = (*check_outcome_case(run, case, drawn), *card_findings(card))
    run.warn(findings)
    targets = targets_of(run, case, drawn)
    with clock.phase("network", f"running {card.id} on {run.device.device}"):
        predicted = _predict(run, case, targets)
    several = len(predicted.lesions) > 1
    unusual = tuple(finding for lesion in predicted.lesions for finding in prediction_findings(lesion, several))
    run.warn(unusual)
    with clock.phase("write", "writing the results"), speaking_of_disk(folder.name):
        _write_outlines(folder, predicted, card)
        write_registrations(folder, case)
    told = Told(_settings(run, case, predicted), predicted.ladder, (*findings, *unusual), _result(predicted, card))
    return finish_job(folder, job, run, case, told, job.brain_mask)


def _predict(run: OutcomeRun, case: Case, targets: tuple[Target, ...]) -> Predicted:
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


def _settings(run: OutcomeRun, case: Case, predicted: Predicted) -> dict[str, Any]:
    job, outcome = run.job, outcome_of(run.card)
    return {
        "threshold": run.card.threshold,
        "normalization": run.card.normalization,
        "min_volume_ml": run.card.min_volume_ml,
        "lesion": "mask" if job.lesion_mask is not None else "point",
        "lean": job.lean,
        "transforms": describe_transforms(job, case),
        "assumed": assumed_of(job),
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
