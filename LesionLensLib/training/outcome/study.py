"""The whole study of a recipe: every row on the same folds, the table, the model; it goes on where it was stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic

import torch

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.inference.device import choose_device
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.progress import Progress
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache
from LesionLensLib.training.curves import CURVES_FILE, draw_curves
from LesionLensLib.training.export import write_report
from LesionLensLib.training.gear import check_batch
from LesionLensLib.training.outcome.baselines import train_baseline
from LesionLensLib.training.outcome.calibration_report import write_calibration_report
from LesionLensLib.training.outcome.card_page import write_card_page
from LesionLensLib.training.outcome.kind import ModelKind
from LesionLensLib.training.outcome.labelled import tell_left_out
from LesionLensLib.training.outcome.parts import Part, choose_parts
from LesionLensLib.training.outcome.predictions import (
    ALL_FILE,
    BESIDE_FILE,
    PREDICTIONS_FILE,
    Prediction,
    read_predictions,
    write_all_predictions,
    write_predictions,
)
from LesionLensLib.training.outcome.row import RowTraining
from LesionLensLib.training.outcome.tables import Scopes, write_metrics
from LesionLensLib.training.outcome.trained_row import CaseT, RecipeT
from LesionLensLib.training.outcome_folds import FoldPlan
from LesionLensLib.training.precision import tell_of_precision
from LesionLensLib.training.team import ALONE, Team

ROWS_FOLDER = "rows"
PLAN_FILE = "study.json"
RECIPE_FILE = "recipe.json"


@dataclass(eq=False)
class Study(Generic[RecipeT, CaseT]):
    """A recipe, its labelled cases and parts, and the folder in which everything is kept."""

    kind: ModelKind[RecipeT, CaseT]
    recipe: RecipeT
    rows: Sequence[ManifestRow]
    plan: FoldPlan | None
    folder: Path
    device: torch.device
    progress: Progress
    parts: tuple[Part, ...]
    helpers: Helpers = field(default_factory=lambda: Helpers())
    _cases: dict[Hashable, _Cases[CaseT]] = field(default_factory=dict)
    _done: float = 0.0

    def run(self, row_names: Sequence[str], part_names: Sequence[str]) -> None:
        """Train the chosen parts of the chosen rows; raises `UserError` for a name that is not known."""
        rows = self._chosen_rows(row_names)
        parts = choose_parts(self.parts, part_names)
        with self.helpers.parts.all_or_none():
            self._run_rows(rows, parts, bool(part_names))
        team = self.helpers.team
        chosen = team.decide(self.chosen)
        if chosen in rows and not part_names and not team.decide(lambda: self.finished(str(chosen))):
            with self.helpers.parts.all_or_none():
                for number, part in enumerate(self.parts):
                    if self.helpers.parts.deals_me(number):
                        self.training(str(chosen)).run(part)

    def _run_rows(self, rows: Sequence[str], parts: Sequence[Part], by_name: bool) -> None:
        """Train the parts of each row that are this process's, those asked for `by_name` in any case."""
        share, number, helpers = 1.0 / max(1, len(rows) * len(parts)), 0, self.helpers
        for name in rows:
            if name in self.recipe.baselines:
                if helpers.team.is_first:
                    self._run_baseline(name, parts)
                self._done += share * len(parts)
                continue
            training = self.training(name, share)
            tell_of_precision(training.recipe.precision, self.device, self.progress)
            for part in parts:
                # A final model is of use only where it is shipped, unless it is asked for by name; which row that is,
                # processes with parts of their own know when all are done.
                known = helpers.parts.size == 1 and not (part.test or by_name)
                if part.test or by_name or (known and name == helpers.batches.decide(self.chosen)):
                    if helpers.parts.deals_me(number):
                        training.run(part)
                    number += 1
                self._done += share

    def _run_baseline(self, name: str, parts: Sequence[Part]) -> None:
        self.progress.update("train", self._done, name)
        try:
            make = partial(self.kind.make_baseline, name)
            train_baseline(make, self.rows, parts, self.row_folder(name), self.recipe.seed)
        except EnvironmentFault as fault:
            # The networks need hours and no such library: they go on, and the table lacks this row.
            self.progress.warn(f"row {name} is left out. {fault.message} {fault.remedy}")

    def training(self, name: str, share: float = 0.0) -> RowTraining[RecipeT, CaseT]:
        """Return the training of one network row; `share` is what each of its parts is of the whole work."""
        recipe = self.recipe.row(name)
        folder = self.row_folder(name)
        # The card is what people read, no setting of the training: other words are no other training.
        defaults = type(recipe)().to_dict()
        _keep_unchanged(folder / RECIPE_FILE, recipe.to_dict(), f"row {name}", aside="card", defaults=defaults)
        steps = self.kind.steps(recipe, len(self.parts[0].train)) * recipe.members

        def tell(text: str, step: int) -> None:
            self.progress.update("train", min(0.99, self._done + share * step / max(1, steps)), f"{name}: {text}")

        team = self.helpers.batches
        return RowTraining(recipe, folder, self._cases_for(recipe), self.device, self.kind, tell, team)

    def row_folder(self, name: str) -> Path:
        """Where everything of one row lies."""
        return self.folder / ROWS_FOLDER / name

    def finished(self, name: str) -> bool:
        """Whether a row has been trained and judged on all parts."""
        return all((self.row_folder(name) / part.name / PREDICTIONS_FILE).exists() for part in self.parts)

    def predictions(self) -> dict[str, Scopes]:
        """Return what every row said so far, by scope; a scope is complete or left out."""
        found: dict[str, Scopes] = {}
        for name in (*self.recipe.row_names(), *self.recipe.baselines):
            said = self.kind.scopes(
                self.parts, partial(self._said, name, PREDICTIONS_FILE), partial(self._said, name, BESIDE_FILE)
            )
            if any(said.values()):
                found[name] = {scope: predictions for scope, predictions in said.items() if predictions}
        return found

    def chosen(self) -> str | None:
        """Return the row that becomes the model, None as long as that is not known."""
        return self.kind.choose(self.recipe, self.predictions())

    def _said(self, name: str, file: str, part: Part) -> tuple[Prediction, ...]:
        path = self.row_folder(name) / part.name / file
        return read_predictions(path) if path.exists() else ()

    def _chosen_rows(self, names: Sequence[str]) -> tuple[str, ...]:
        known = (*self.recipe.row_names(), *self.recipe.baselines)
        for name in names:
            if name not in known:
                raise UserError(f"The recipe has no row {name}.", f"Use one of: {', '.join(known)}.")
        return tuple(names) or known

    def _cases_for(self, recipe: RecipeT) -> Mapping[str, CaseT]:
        """Return the cases as a row needs them, read at their first use, once for rows that need the same."""

        def read() -> dict[str, CaseT]:
            self.progress.update("data", self._done, f"reading {len(self.rows)} cases")
            return self.kind.read_cases(recipe, self.rows, self.helpers.cache, self.helpers.team)

        key = self.kind.box(recipe)
        if key not in self._cases:
            self._cases.clear()  # rows of other boxes come later; two sets at 1 mm would not fit a desk's memory
            self._cases[key] = _Cases(self.rows, read)
        return self._cases[key]


@dataclass(frozen=True)
class Helpers:
    """The processes that do a study and where they keep its cases: they share parts, or each batch of every part."""

    team: Team = ALONE
    share_batches: bool = False
    cache: CaseCache = NO_CACHE

    @property
    def parts(self) -> Team:
        """The team to which whole parts are dealt."""
        return ALONE if self.share_batches else self.team

    @property
    def batches(self) -> Team:
        """The team that shares the batches of a part."""
        return self.team if self.share_batches else ALONE


class _Cases(Mapping[str, CaseT]):
    """The cases by name, read when the first is asked for: a finished row needs none."""

    def __init__(self, rows: Sequence[ManifestRow], read: Callable[[], dict[str, CaseT]]) -> None:
        self._names = [row.case for row in rows]
        self._read = read

    @cached_property
    def _all(self) -> dict[str, CaseT]:
        return self._read()

    def __getitem__(self, name: str) -> CaseT:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def open_study(
    kind: ModelKind[RecipeT, CaseT],
    recipe: RecipeT,
    rows: Sequence[ManifestRow],
    folder: Path,
    device: str,
    progress: Progress,
    helpers: Helpers | None = None,
) -> Study[RecipeT, CaseT]:
    """Return the study in `folder`, begun now or before.

    Raises `UserError` for cases without outcome, and where the folder was begun with other cases, folds or settings.
    """
    labelled = kind.labelled(recipe, rows)
    tell_left_out(rows, labelled, progress)
    plan, parts = kind.plan(recipe, labelled)
    cases = [{"case": row.case, "patient": row.patient, "label": row.label, "split": row.split} for row in labelled]
    helpers = helpers or Helpers()
    with helpers.team.all_or_none():
        for row in map(recipe.row, recipe.row_names()):
            check_batch(row.batch, row.accumulate, helpers.batches)
        if helpers.team.is_first:
            _keep_unchanged(folder / PLAN_FILE, {"cases": cases, "plan": plan.to_dict() if plan else None}, "study")
    chosen = torch.device(choose_device(device).device)
    return Study(kind, recipe, labelled, plan, folder, chosen, progress, parts, helpers)


def run_study(
    kind: ModelKind[RecipeT, CaseT],
    recipe: RecipeT,
    rows: Sequence[ManifestRow],
    folder: Path,
    device: str,
    progress: Progress,
    row_names: Sequence[str] = (),
    part_names: Sequence[str] = (),
    helpers: Helpers | None = None,
) -> dict[str, Any]:
    """Train what is still missing of the chosen rows and parts, then write tables, report and, if complete, the model.

    In `folder`: the predictions of the chosen row by scope, `metrics.csv` and `all-predictions.csv` with all rows,
    `training-report.json`, `loss.png`, `reliability.png`, `weights.safetensors`, `card.json`, and `rows/` with
    everything of every row. Of several processes, `helpers`, the first one alone writes what stands in `folder` itself
    and returns the report.
    """
    study = open_study(kind, recipe, rows, folder, device, progress, helpers)
    study.run(row_names, part_names)
    if not study.helpers.team.is_first:
        return {}
    said = study.predictions()
    chosen = study.chosen()
    write_all_predictions(said, folder / ALL_FILE)
    figures = write_metrics(said, folder / "metrics.csv", kind.yardstick, recipe.bootstrap)
    kind.write_tables(recipe, figures, chosen, folder)
    for scope, predictions in said.get(chosen or "", {}).items():
        write_predictions(predictions, folder / kind.file_of(scope))
    calibration = write_calibration_report(said.get(chosen or "", {}).get(kind.held_out, ()), recipe.bootstrap, folder)
    model = {}
    if chosen is not None and study.finished(chosen):
        model = kind.export(study.training(chosen), study.parts, said, folder)
        if not calibration:
            progress.warn("The model is not calibrated: that takes three folds.")
    report = {
        "recipe": recipe.to_dict(),
        "device": study.device.type,
        "cases": len(study.rows),
        "patients": len({row.patient for row in study.rows}),
        "folds": study.plan.to_dict() if study.plan else None,
        "chosen": chosen,
        "figures": figures,
        "calibration": calibration,
        "model": model,
        "torch": torch.__version__,
        "processes": study.helpers.team.size,
    }
    write_report(report, folder)
    if chosen is not None and study.finished(chosen):
        write_card_page(report, study.rows, study.parts, kind.yardstick, folder)
    if chosen is not None:
        draw_curves(study.training(chosen).logs(), folder / CURVES_FILE, "loss", chosen)
    progress.update("finish", 1.0, "done")
    return report


def _keep_unchanged(
    path: Path, record: dict[str, Any], what: str, aside: str = "", defaults: Mapping[str, Any] | None = None
) -> None:
    """Write `record`, or raise `UserError` where another one was written before: results would be mixed.

    The field `aside` may differ. A field that an earlier version did not write had the value in `defaults`.
    """
    text = json.dumps(record, indent=2) + "\n"
    if path.exists():
        now = json.loads(text)
        before = json.loads(json.dumps(defaults or {})) | json.loads(path.read_text(encoding="utf-8"))
        if {**before, aside: None} != {**now, aside: None}:
            raise UserError(
                f"The output folder holds a training of the {what} with other cases or settings.",
                "Give a new folder, or the recipe and manifest it was begun with.",
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
