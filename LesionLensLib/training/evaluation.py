"""Judge a segmentation model on labelled cases, the way a user would run it, beside the FLAIR threshold."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.baseline import FlairThreshold, fit_flair_threshold
from LesionLensLib.errors import UserError
from LesionLensLib.images import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.segment import SEGMENTATION_FILE, run_segment
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.metrics import (
    Counts,
    Detection,
    block_counts,
    detect,
    dice,
    estimate,
    iou,
    sample_average,
    voxel_average,
)
from LesionLensLib.model_card import ModelCard
from LesionLensLib.progress import Progress, SilentProgress

SMALLEST_LESION_ML = 0.003


@dataclass(frozen=True, eq=False)
class CaseScore:
    """One case judged: counts of the network and of the baseline in cubes, lesions as objects, volumes in ml."""

    case: str
    patient: str
    network: Counts
    baseline: Counts
    detection: Detection
    true_ml: float
    found_ml: float
    seconds: float


def evaluate(
    card: ModelCard, rows: Sequence[ManifestRow], split: str, repeats: int, device: str, progress: Progress
) -> dict[str, Any]:
    """Return metrics of the model on the labelled rows of `split`, with the baseline fitted on the training rows.

    Raises `UserError` where no labelled case is left to judge.
    """
    scores, baseline = score_cases(card, rows, split, device, progress)
    return {
        "model": {"id": card.id, "version": card.version, "sha256": card.weights.sha256, "evidence": card.evidence},
        "split": split,
        "patients": len({score.patient for score in scores}),
        "interval": "95 % percentile bootstrap: patients, then 16 mm cubes within each; one patient: cubes alone",
        "network": overlap_figures([score.network for score in scores], repeats),
        "flair_threshold": {
            "multiple_of_brain_median": round(baseline.multiple, 4) if baseline else None,
            **(overlap_figures([score.baseline for score in scores], repeats) if baseline else {}),
        },
        "cases": [_case_record(score) for score in scores],
    }


def score_cases(
    card: ModelCard, rows: Sequence[ManifestRow], split: str, device: str, progress: Progress
) -> tuple[list[CaseScore], FlairThreshold | None]:
    """Return what the labelled rows of `split` come to, and the baseline that was fitted on the training rows.

    Raises `UserError` where no labelled case is left to judge.
    """
    judged = [row for row in rows if row.split == split and row.has(*card.roles, "lesion")]
    if not judged:
        raise UserError(
            f"The manifest has no labelled case in the split {split!r}.", "Choose another --split, or label some cases."
        )
    baseline = _fit_baseline([row for row in rows if row.split == "train" and row.has("FLAIR", "brain", "lesion")])
    scores = []
    for number, row in enumerate(judged):
        progress.update("evaluate", number / len(judged), f"segmenting {row.case}")
        scores.append(_score(card, row, baseline, device))
    progress.update("evaluate", 1.0, "done")
    return scores, baseline


def overlap_figures(patients: Sequence[Counts], repeats: int) -> dict[str, Any]:
    """Return the records of voxel and sample averages of Dice and IoU (Zhang et al., MICCAI 2019), with intervals."""
    statistics = {
        "voxel_dice": partial(voxel_average, score=dice),
        "sample_dice": partial(sample_average, score=dice),
        "voxel_iou": partial(voxel_average, score=iou),
        "sample_iou": partial(sample_average, score=iou),
    }
    return {name: estimate(patients, statistic, repeats).to_dict() for name, statistic in statistics.items()}


def _case_record(score: CaseScore) -> dict[str, Any]:
    lesions = score.detection
    return {
        "case": score.case,
        "dice": round(dice(score.network), 4),
        "flair_threshold_dice": round(dice(score.baseline), 4) if len(score.baseline) else None,
        "lesions": lesions.true_lesions,
        "lesions_hit": lesions.hit_lesions,
        "found": lesions.found_lesions,
        "found_confirmed": lesions.confirmed_lesions,
        "true_volume_ml": round(score.true_ml, 3),
        "found_volume_ml": round(score.found_ml, 3),
        "seconds": round(score.seconds, 1),
    }


def _score(card: ModelCard, row: ManifestRow, baseline: FlairThreshold | None, device: str) -> CaseScore:
    truth_volume = read_volume(row.files["lesion"])
    reference = read_volume(row.files[card.reference_role])
    truth = resample(truth_volume, reference.grid, "nearest").array > 0
    with tempfile.TemporaryDirectory() as folder:
        job = SegmentJob(
            inputs=tuple((role, str(row.files[role])) for role in card.roles),
            output=str(Path(folder) / "result"),
            model=str(card.folder),
            transforms=tuple((r, str(row.files[f"{r}_transform"])) for r in card.roles if row.has(f"{r}_transform")),
            device=device,
        )
        report = run_segment(job, SilentProgress())
        found = read_volume(Path(job.output) / SEGMENTATION_FILE).array > 0
    spacing, voxel_ml = reference.grid.spacing_mm, reference.grid.voxel_ml
    simple = _baseline_mask(row, reference.array, baseline)
    return CaseScore(
        row.case,
        row.patient,
        block_counts(found, truth, spacing),
        block_counts(simple, truth, spacing) if simple is not None else np.empty((0, 3)),
        detect(found, truth, max(1, round(SMALLEST_LESION_ML / voxel_ml))),
        float(truth.sum()) * voxel_ml,
        float(found.sum()) * voxel_ml,
        float(sum(report["timing"].values())),
    )


def _baseline_mask(
    row: ManifestRow, flair: NDArray[np.generic], baseline: FlairThreshold | None
) -> NDArray[np.bool_] | None:
    if baseline is None or not row.has("brain"):
        return None
    return baseline.segment(flair, read_volume(row.files["brain"]).array > 0)


def _fit_baseline(rows: Sequence[ManifestRow]) -> FlairThreshold | None:
    if not rows:
        return None
    images = [tuple(read_volume(row.files[name]).array for name in ("FLAIR", "brain", "lesion")) for row in rows]
    return fit_flair_threshold([(flair, brain > 0, lesion > 0) for flair, brain, lesion in images])
