"""The whole study of a recipe: every row on the same folds, the table, the model; it goes on where it was stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.inference.device import choose_device
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.progress import Progress
from LesionLensLib.training.export import draw_losses, write_report
from LesionLensLib.training.outcome_folds import FoldPlan
from LesionLensLib.training.sarcoma.baselines import train_baseline
from LesionLensLib.training.sarcoma.cases import OutcomeCase, labelled_rows, read_case
from LesionLensLib.training.sarcoma.export import export_row
from LesionLensLib.training.sarcoma.parts import Part, choose_parts, plan_folds, plan_parts
from LesionLensLib.training.sarcoma.predictions import PREDICTIONS_FILE, read_predictions, write_predictions
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe
from LesionLensLib.training.sarcoma.row import RowTraining
from LesionLensLib.training.sarcoma.tables import RowPredictions, write_metrics

ROWS_FOLDER = "rows"
PLAN_FILE = "study.json"
RECIPE_FILE = "recipe.json"


@dataclass(eq=False)
class Study:
    """A recipe, its labelled cases and parts, and the folder in which everything is kept."""

    recipe: OutcomeRecipe
    rows: Sequence[ManifestRow]
    plan: FoldPlan | None
    folder: Path
    device: torch.device
    progress: Progress
    parts: tuple[Part, ...]
    _cases: dict[tuple[Any, ...], dict[str, OutcomeCase]] = field(default_factory=dict)
    _done: float = 0.0

    @property
    def folds(self) -> tuple[Part, ...]:
        """The parts that are folds of the cross-validation."""
        return tuple(part for part in self.parts if part.name.startswith("fold-"))

    def run(self, row_names: Sequence[str], part_names: Sequence[str]) -> None:
        """Train the chosen parts of the chosen rows; raises `UserError` for a name that is not known."""
        rows = self._chosen_rows(row_names)
        parts = choose_parts(self.parts, part_names)
        share = 1.0 / max(1, len(rows) * len(parts))
        for name in rows:
            if name in self.recipe.baselines:
                self._run_baseline(name, parts)
                self._done += share * len(parts)
                continue
            training = self.training(name, share)
            for part in parts:
                # A final model is of use only where it is shipped, unless it is asked for by name.
                if part.test or name == self.recipe.row_names()[0] or part_names:
                    training.run(part)
                self._done += share

    def _run_baseline(self, name: str, parts: Sequence[Part]) -> None:
        self.progress.update("train", self._done, name)
        try:
            train_baseline(name, self.rows, parts, self.row_folder(name), self.recipe.seed)
        except EnvironmentFault as fault:
            # The networks need hours and no such library: they go on, and the table lacks this row.
            self.progress.warn(f"row {name} is left out. {fault.message} {fault.remedy}")

    def training(self, name: str, share: float = 0.0) -> RowTraining:
        """Return the training of one network row; `share` is what each of its parts is of the whole work."""
        recipe = self.recipe.row(name)
        folder = self.row_folder(name)
        _keep_unchanged(folder / RECIPE_FILE, recipe.to_dict(), f"row {name}")
        steps = recipe.steps * recipe.members

        def tell(text: str, step: int) -> None:
            self.progress.update("train", min(0.99, self._done + share * step / max(1, steps)), f"{name}: {text}")

        return RowTraining(recipe, folder, self._read(recipe), self.device, tell)

    def row_folder(self, name: str) -> Path:
        """Where everything of one row lies."""
        return self.folder / ROWS_FOLDER / name

    def finished(self, name: str, parts: Sequence[Part]) -> bool:
        """Whether a row has been trained and judged on all of `parts`."""
        return all(self._said(name, part).exists() for part in parts)

    def _said(self, name: str, part: Part) -> Path:
        return self.row_folder(name) / part.name / PREDICTIONS_FILE

    def predictions(self) -> list[RowPredictions]:
        """Return the held-out predictions of every row that has all its folds, and of the public test where made."""
        others = [part for part in self.parts if part.test and part not in self.folds]
        found = []
        for name in (*self.recipe.row_names(), *self.recipe.baselines):
            said = [
                tuple(one for part in group for one in read_predictions(self._said(name, part)))
                if self.finished(name, group)
                else ()
                for group in (self.folds, others)
            ]
            if any(said):
                found.append(RowPredictions(name, said[0], said[1]))
        return found

    def _chosen_rows(self, names: Sequence[str]) -> tuple[str, ...]:
        known = (*self.recipe.row_names(), *self.recipe.baselines)
        for name in names:
            if name not in known:
                raise UserError(f"The recipe has no row {name}.", f"Use one of: {', '.join(known)}.")
        return tuple(names) or known

    def _read(self, recipe: OutcomeRecipe) -> dict[str, OutcomeCase]:
        """Read the cases as a row needs them, once for rows that need the same."""
        view = recipe.field_of_view
        size_mm = [n * view.spacing_mm for n in view.size]
        margin = math.ceil(recipe.augmentation.margin_mm(size_mm) / view.spacing_mm)
        key = (recipe.roles, view, margin)
        if key not in self._cases:
            self._cases.clear()  # rows of other boxes come later; two sets at 1 mm would not fit a desk's memory
            self.progress.update("data", self._done, f"reading {len(self.rows)} cases")
            self._cases[key] = {row.case: read_case(row, recipe.roles, view, margin) for row in self.rows}
        return self._cases[key]


def open_study(
    recipe: OutcomeRecipe, rows: Sequence[ManifestRow], folder: Path, device: str, progress: Progress
) -> Study:
    """Return the study in `folder`, begun now or before.

    Raises `UserError` for cases without outcome, and where the folder was begun with other cases, folds or settings.
    """
    roles = dict.fromkeys(role for name in recipe.row_names() for role in recipe.row(name).roles)
    labelled = labelled_rows(rows, tuple(roles))
    plan = plan_folds(labelled, recipe.folds, recipe.seed)
    cases = [{"case": row.case, "patient": row.patient, "label": row.label, "split": row.split} for row in labelled]
    _keep_unchanged(folder / PLAN_FILE, {"cases": cases, "plan": plan.to_dict() if plan else None}, "study")
    chosen = torch.device(choose_device(device).device)
    return Study(recipe, labelled, plan, folder, chosen, progress, plan_parts(labelled, plan))


def run_outcome_training(
    recipe: OutcomeRecipe,
    rows: Sequence[ManifestRow],
    folder: Path,
    device: str,
    progress: Progress,
    row_names: Sequence[str] = (),
    part_names: Sequence[str] = (),
) -> dict[str, Any]:
    """Train what is still missing of the chosen rows and parts, then write tables, report and, if complete, the model.

    In `folder`: `predictions.csv` and `public-predictions.csv` of the shipped row, `metrics.csv` with all rows,
    `training-report.json`, `loss.png`, `weights.safetensors`, `card.json`, and `rows/` with everything of every row.
    """
    study = open_study(recipe, rows, folder, device, progress)
    study.run(row_names, part_names)
    said = study.predictions()
    figures = write_metrics(said, folder / "metrics.csv", recipe.bootstrap)
    shipped = recipe.row_names()[0]
    for row in said:
        if row.name == shipped:
            for predictions, name in ((row.held_out, PREDICTIONS_FILE), (row.public, f"public-{PREDICTIONS_FILE}")):
                if predictions:
                    write_predictions(predictions, folder / name)
    training = study.training(shipped)
    report = {
        "recipe": recipe.to_dict(),
        "device": study.device.type,
        "cases": len(study.rows),
        "patients": len({row.patient for row in study.rows}),
        "folds": study.plan.to_dict() if study.plan else None,
        "figures": figures,
        "torch": torch.__version__,
    }
    write_report(report, folder)
    if study.finished(shipped, study.parts):
        export_row(training, study.folds, study.parts[-1], folder)
    draw_losses(training.logs(), folder / "loss.png", "loss", shipped)
    progress.update("finish", 1.0, "done")
    return report


def _keep_unchanged(path: Path, record: dict[str, Any], what: str) -> None:
    """Write `record`, or raise `UserError` where another one was written before: results would be mixed."""
    text = json.dumps(record, indent=2) + "\n"
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise UserError(
                f"The output folder holds a training of the {what} with other cases or settings.",
                "Give a new folder, or the recipe and manifest it was begun with.",
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
