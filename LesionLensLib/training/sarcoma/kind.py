"""How the outcome models for sarcoma are read, trained and judged: CHMFL and what it is compared with."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from LesionLensLib.manifest import ManifestRow
from LesionLensLib.outcome.case_description import CaseDescription
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache, from_my_place
from LesionLensLib.training.outcome.baselines import Baseline
from LesionLensLib.training.outcome.export import export_row
from LesionLensLib.training.outcome.kind import ModelKind, PartPredictions, Tell
from LesionLensLib.training.outcome.labelled import labelled_rows
from LesionLensLib.training.outcome.parts import Part, plan_folds, plan_parts
from LesionLensLib.training.outcome.predictions import PREDICTIONS_FILE, Prediction
from LesionLensLib.training.outcome.tables import Scopes
from LesionLensLib.training.outcome.trained_row import TrainedRow
from LesionLensLib.training.outcome_folds import FoldPlan
from LesionLensLib.training.sarcoma.baselines import make_baseline
from LesionLensLib.training.sarcoma.cached import cached_case
from LesionLensLib.training.sarcoma.cases import REFERENCE, OutcomeCase
from LesionLensLib.training.sarcoma.export import outcome_card
from LesionLensLib.training.sarcoma.prediction import describe_training_case, predict_case, tumour_dice
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe
from LesionLensLib.training.sarcoma.trainer import make_network, train_network
from LesionLensLib.training.team import ALONE, Team

CROSS_VALIDATION = "cross-validation"
PUBLIC_TEST = "public-test"
_FILES = {CROSS_VALIDATION: PREDICTIONS_FILE, PUBLIC_TEST: f"public-{PREDICTIONS_FILE}"}


class SarcomaKind(ModelKind[OutcomeRecipe, OutcomeCase]):
    """Folds over all patients as the paper has it, and the fixed public test apart."""

    yardstick = "suvmax"
    held_out = CROSS_VALIDATION

    def labelled(self, recipe: OutcomeRecipe, rows: Sequence[ManifestRow]) -> list[ManifestRow]:
        """Return the rows with an outcome, CT, the lesion mask and every channel of any row."""
        roles = dict.fromkeys(role for name in recipe.row_names() for role in recipe.row(name).roles)
        return labelled_rows(rows, (REFERENCE, "lesion", *roles))

    def card(self, recipe: OutcomeRecipe) -> Mapping[str, Any]:
        """Return the card without calibration and the number of folds."""
        return outcome_card(recipe, 0)

    def roles(self, recipe: OutcomeRecipe) -> tuple[str, ...]:
        """Return the channels of the variant."""
        return recipe.roles

    def plan(self, recipe: OutcomeRecipe, rows: Sequence[ManifestRow]) -> tuple[FoldPlan | None, tuple[Part, ...]]:
        """Return folds over the patients of both splits, the public part and the final one."""
        plan = plan_folds(rows, recipe.folds, recipe.seed)
        return plan, plan_parts(rows, plan)

    def box(self, recipe: OutcomeRecipe) -> Hashable:
        """Return channels, field of view and margin in voxels."""
        return recipe.roles, recipe.field_of_view, _margin(recipe)

    def read_cases(
        self, recipe: OutcomeRecipe, rows: Sequence[ManifestRow], cache: CaseCache = NO_CACHE, team: Team = ALONE
    ) -> dict[str, OutcomeCase]:
        """Read all cases with room for the augmentation, by name."""
        view, margin = recipe.field_of_view, _margin(recipe)
        read = {row.case: cached_case(row, recipe.roles, view, margin, cache) for row in from_my_place(rows, team)}
        return {row.case: read[row.case] for row in rows}

    def make_network(self, recipe: OutcomeRecipe) -> nn.Module:
        """Return the untrained network."""
        return make_network(recipe)

    def steps(self, recipe: OutcomeRecipe, examples: int) -> int:
        """Return the steps of the recipe, however many examples there are."""
        return recipe.steps

    def train(
        self,
        recipe: OutcomeRecipe,
        cases: Sequence[OutcomeCase],
        folder: Path,
        device: torch.device,
        tell: Tell,
        team: Team = ALONE,
    ) -> Mapping[str, Tensor]:
        """Train one network and return the running average of its weights."""
        return train_network(recipe, cases, folder, device, tell, team=team).average

    def judge(
        self, networks: Sequence[nn.Module], cases: Sequence[OutcomeCase], recipe: OutcomeRecipe, device: torch.device
    ) -> list[Prediction]:
        """Return outcome and outline of every case."""
        return [_judged(networks, case, recipe, device) for case in cases]

    def make_baseline(self, name: str) -> Baseline:
        """Return SUVmax or a radiomics row."""
        return make_baseline(name)

    def scopes(self, parts: Sequence[Part], said: PartPredictions, beside: PartPredictions) -> Scopes:
        """Return the pooled folds where all are there, and the public test."""
        folds = [said(part) for part in parts if part.is_fold]
        others = [one for part in parts if not part.is_fold for one in said(part)]
        pooled = [one for fold in folds for one in fold] if all(folds) else []
        return {CROSS_VALIDATION: tuple(pooled), PUBLIC_TEST: tuple(others)}

    def export(
        self,
        training: TrainedRow[OutcomeRecipe, OutcomeCase],
        parts: Sequence[Part],
        said: Mapping[str, Scopes],
        folder: Path,
    ) -> dict[str, Any]:
        """Write the final network and those of the folds, calibrated on what the folds held out."""
        recipe, device = training.recipe, training.device

        def describe(case: OutcomeCase, networks: Sequence[nn.Module]) -> CaseDescription:
            return describe_training_case(case, recipe, networks, device)

        held_out = said.get(training.name, {}).get(CROSS_VALIDATION, ())
        export_row(training, parts, held_out, describe, self.card(recipe), folder)
        return {}

    def file_of(self, scope: str) -> str:
        """Return `predictions.csv` for the folds."""
        return _FILES[scope]


def _margin(recipe: OutcomeRecipe) -> int:
    """Return by how many voxels the augmentation needs the box to be wider on every side."""
    view = recipe.field_of_view
    return math.ceil(recipe.augmentation.margin_mm([n * view.spacing_mm for n in view.size]) / view.spacing_mm)


def _judged(
    networks: Sequence[nn.Module], case: OutcomeCase, recipe: OutcomeRecipe, device: torch.device
) -> Prediction:
    said = predict_case(networks, case, recipe, device)
    overlap = None if said.tumour is None else tumour_dice(case, said.tumour, recipe)
    inside, whole = (None, None) if overlap is None else (overlap.inside, overlap.whole)
    return Prediction(
        case.case, case.patient, "", case.outcome, said.probability, said.logit, inside, whole, case.inside_share
    )
