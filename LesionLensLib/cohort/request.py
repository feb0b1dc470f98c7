"""What is asked of a cohort run, and what must be wrong with nobody's case for it to begin."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from LesionLensLib.catalogue import find_card, models_root, verify_weights
from LesionLensLib.cohort.template import MASK_FIELDS, CaseTemplate
from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.model_card import CARD_FILE, MODEL_ID, ModelCard

MOST_WORKERS, MOST_THREADS = 512, 256
# Cases become folders: letters, digits and what is harmless on every system; names of our own files are ruled out.
CASE_NAME = re.compile(r"(?!cohort|dataset_description|participants)\w(?:[\w.+=@ -]{0,98}[\w+=@-])?", re.IGNORECASE)


@dataclass(frozen=True)
class CohortRequest:
    """A manifest, what to do with each of its cases, where the results go, and who works.

    `settings` are fields of the task's job. Raises `UserError` for values that contradict each other.
    """

    manifest: Path
    output: Path
    task: str
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    threads: int = 1
    scheduler: str | None = None
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.task not in MASK_FIELDS:
            raise UserError(f"There is no task {self.task}.", f"Use one of: {', '.join(MASK_FIELDS)}.")
        for name, most in (("workers", MOST_WORKERS), ("threads", MOST_THREADS)):
            if not 1 <= getattr(self, name) <= most:
                raise UserError(f"There cannot be {getattr(self, name)} {name}.", f"Give a number from 1 to {most}.")
        if self.scheduler is not None and self.workers != 1:
            raise UserError("--workers does not go with --scheduler.", "The cluster decides how many workers it has.")
        if self.resume and self.overwrite:
            raise UserError("--resume and --overwrite contradict each other.", "Give one of them.")


def template_of(request: CohortRequest) -> tuple[CaseTemplate, ModelCard]:
    """Return the job of every case and the card of the model.

    Raises `UserError` for a model that does not do the task, `EnvironmentFault` where its weights are damaged: no case
    could be done.
    """
    card = find_card(request.model)
    predicts, measures = card.outcome is not None, card.regression is not None
    if request.task == "segment" and (predicts or measures):
        raise UserError(f"The model {card.id} outlines nothing.", "Use a segmentation model, or another --task.")
    if request.task == "predict" and not predicts:
        raise UserError(f"The model {card.id} predicts no outcome.", "Use an outcome model, or another --task.")
    if not verify_weights(card):
        raise EnvironmentFault(
            f"The weights of {card.id} are missing, damaged or were changed.", "Get the model again."
        )
    return CaseTemplate(request.task, _model_for_workers(request.model), card.roles, request.settings), card


def check_rows(rows: Sequence[ManifestRow], card: ModelCard) -> None:
    """Raise `UserError` where no case could be done, or where the name of one cannot be that of a folder."""
    if not rows:
        raise UserError("The manifest has no case.", "Give every case a line.")
    for role in card.roles:
        if not any(row.has(role) for row in rows):
            raise UserError(f"The manifest names no {role} image.", f"Add a column {role}; {card.id} needs it.")
    seen: dict[str, str] = {}
    for row in rows:
        if not CASE_NAME.fullmatch(row.case):
            message = f"The case name {row.case!r} cannot be the name of a folder."
            raise UserError(message, "Use letters, digits, and . _ - between them, at most 100.")
        other = seen.setdefault(row.case.casefold(), row.case)
        if other != row.case:
            message = f"The cases {other} and {row.case} differ in capitals only."
            raise UserError(message, "Rename one: not every system keeps such folders apart.")


def _model_for_workers(model: str) -> str:
    """Return the id of an installed model as it is, the path of a folder from the root on."""
    installed = MODEL_ID.fullmatch(model) and (models_root() / model / CARD_FILE).is_file()
    return model if installed else str(Path(model).absolute())
