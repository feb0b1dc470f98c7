"""What a shipped outcome model says of the cases of a manifest, the way a user would run it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from LesionLensLib.errors import UserError
from LesionLensLib.images.lesion_mask import read_lesion_mask
from LesionLensLib.images.read import read_volume
from LesionLensLib.inference.pet_ct_input import LESION
from LesionLensLib.inference.predict import SEGMENTATION_FILE, run_predict
from LesionLensLib.jobs import PredictJob
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.metrics import block_counts, dice
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome.calibration import logit_of
from LesionLensLib.progress import Progress, SilentProgress
from LesionLensLib.training.outcome.labelled import labelled_rows
from LesionLensLib.training.outcome.predictions import Prediction


def ask_model(
    card: ModelCard, rows: Sequence[ManifestRow], split: str, device: str, progress: Progress
) -> tuple[Prediction, ...]:
    """Return the prediction of every row of `split` with a label (0 or 1), images and the mask `lesion`.

    Of a mask with several lesions the largest counts. Raises `UserError` where no row is left, and as `predict`.
    """
    roles = [role for role in card.roles if role != LESION]
    chosen = [row for row in rows if row.split == split]
    if not chosen:
        raise UserError(f"The manifest has no case in the split {split!r}.", "Choose another --split.")
    judged = labelled_rows(chosen, (*roles, LESION))
    said = []
    for number, row in enumerate(judged):
        progress.update("evaluate", number / len(judged), f"predicting {row.case}")
        try:
            said.append(_ask(card, roles, row, device))
        except UserError as error:
            raise UserError(f"Case {row.case}: {error.message}", error.remedy, error.detail) from error
    progress.update("evaluate", 1.0, "done")
    return tuple(said)


def _ask(card: ModelCard, roles: Sequence[str], row: ManifestRow, device: str) -> Prediction:
    with tempfile.TemporaryDirectory() as folder:
        job = PredictJob(
            inputs=tuple((role, str(row.files[role])) for role in roles),
            output=str(Path(folder) / "result"),
            model=str(card.folder),
            transforms=tuple((r, str(row.files[f"{r}_transform"])) for r in roles if row.has(f"{r}_transform")),
            lesion_mask=str(row.files[LESION]),
            brain_mask=str(row.files["brain"]) if row.has("brain") else None,
            device=device,
        )
        result = run_predict(job, SilentProgress())["result"]
        overlap = _outline_dice(Path(job.output) / SEGMENTATION_FILE, row)
    probability = float(result["probability"])
    score = float(logit_of(probability))
    return Prediction(row.case, row.patient, "", int(row.label), probability, score, whole_dice=overlap)


def _outline_dice(outline: Path, row: ManifestRow) -> float | None:
    """Compare the network's outline with the mask on the outline's grid; None where the network makes none."""
    if not outline.exists():
        return None
    found = read_volume(outline)
    truth = read_lesion_mask(row.files[LESION], found)
    return dice(block_counts(found.array > 0, truth.array > 0, found.grid.spacing_mm))
