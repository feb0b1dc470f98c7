"""How the outcome models for brain lesions are read, trained and judged: the attention ResNet and its variants."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from LesionLensLib.inference.brain_lesion_input import describe_lesion, network_input
from LesionLensLib.inference.outcome_pass import ask_networks, feature_vectors
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.outcome.calibration import Calibration
from LesionLensLib.outcome.case_description import CaseDescription
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache, from_my_place
from LesionLensLib.training.local_failure.baselines import make_baseline
from LesionLensLib.training.local_failure.cached import cached_cases
from LesionLensLib.training.local_failure.cases import LESION, LesionCase
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
from LesionLensLib.training.local_failure.scopes import VALIDATION, best_row, plan, scopes_of
from LesionLensLib.training.local_failure.shipped import shipped_figures
from LesionLensLib.training.local_failure.tables import write_tables
from LesionLensLib.training.local_failure.trainer import make_network, train_network
from LesionLensLib.training.outcome.baselines import Baseline
from LesionLensLib.training.outcome.export import export_row
from LesionLensLib.training.outcome.kind import ModelKind, PartPredictions, Tell
from LesionLensLib.training.outcome.labelled import labelled_rows
from LesionLensLib.training.outcome.parts import TEST, Part
from LesionLensLib.training.outcome.predictions import BESIDE_FILE, PREDICTIONS_FILE, Prediction, read_predictions
from LesionLensLib.training.outcome.statistics import calibration_of
from LesionLensLib.training.outcome.tables import Figures, Scopes
from LesionLensLib.training.outcome.trained_row import TrainedRow
from LesionLensLib.training.outcome_folds import FoldPlan
from LesionLensLib.training.team import ALONE, Team


class LocalFailureKind(ModelKind[LocalFailureRecipe, LesionCase]):
    """Folds over the patients of the train split; the best row on held-out lesions is shipped, judged on the test."""

    yardstick = "volume"
    held_out = VALIDATION

    def labelled(self, recipe: LocalFailureRecipe, rows: Sequence[ManifestRow]) -> list[ManifestRow]:
        """Return the rows with an outcome, the reference channel, lesion mask and every channel of any row."""
        roles = dict.fromkeys(role for name in recipe.row_names() for role in recipe.row(name).roles)
        return labelled_rows(rows, (recipe.reference_role, LESION, *roles))

    def card(self, recipe: LocalFailureRecipe) -> Mapping[str, Any]:
        """Return the card without calibration and the number of folds."""
        return model_card(recipe)

    def roles(self, recipe: LocalFailureRecipe) -> tuple[str, ...]:
        """Return the channels beside the outline."""
        return recipe.roles

    def plan(self, recipe: LocalFailureRecipe, rows: Sequence[ManifestRow]) -> tuple[FoldPlan | None, tuple[Part, ...]]:
        """Return folds that know nothing of the test split, and the final part."""
        return plan(rows, recipe.folds, recipe.seed)

    def box(self, recipe: LocalFailureRecipe) -> Hashable:
        """Return channels, the reference among them, normalisation, field of view and margin in voxels."""
        return recipe.roles, recipe.reference_role, recipe.normalization, recipe.field_of_view, _margin(recipe)

    def read_cases(
        self, recipe: LocalFailureRecipe, rows: Sequence[ManifestRow], cache: CaseCache = NO_CACHE, team: Team = ALONE
    ) -> dict[str, LesionCase]:
        """Read all lesions with room for the augmentation, by name."""
        read = {case.case: case for case in cached_cases(from_my_place(rows, team), recipe, _margin(recipe), cache)}
        return {row.case: read[row.case] for row in rows}

    def make_network(self, recipe: LocalFailureRecipe) -> nn.Module:
        """Return the untrained network."""
        return make_network(recipe)

    def steps(self, recipe: LocalFailureRecipe, examples: int) -> int:
        """Return the steps of all epochs, or those of Big Transfer's own rule."""
        return recipe.schedule_for(examples).end_step

    def train(
        self,
        recipe: LocalFailureRecipe,
        cases: Sequence[LesionCase],
        folder: Path,
        device: torch.device,
        tell: Tell,
        team: Team = ALONE,
    ) -> Mapping[str, Tensor]:
        """Train one network and return the running average of its weights."""
        return train_network(recipe, cases, folder, device, tell, team=team).average

    def judge(
        self,
        networks: Sequence[nn.Module],
        cases: Sequence[LesionCase],
        recipe: LocalFailureRecipe,
        device: torch.device,
    ) -> list[Prediction]:
        """Return the outcome of every lesion."""
        said = []
        for case in cases:
            answer = ask_networks(networks, case_input(case).to(device), recipe.views)
            said.append(Prediction(case.case, case.patient, "", case.outcome, answer.probability, answer.logit))
        return said

    def make_baseline(self, name: str) -> Baseline:
        """Return volume or truth."""
        return make_baseline(name)

    def scopes(self, parts: Sequence[Part], said: PartPredictions, beside: PartPredictions) -> Scopes:
        """Return lesions learned from, held out and tested, once all folds are there."""
        return scopes_of(parts, said, beside)

    def choose(self, recipe: LocalFailureRecipe, said: Mapping[str, Scopes]) -> str | None:
        """Return the best row on held-out lesions, the one that the recipe names, or the only one."""
        names = recipe.row_names()
        return recipe.shipped or (names[0] if len(names) == 1 else best_row(said, names))

    def export(
        self,
        training: TrainedRow[LocalFailureRecipe, LesionCase],
        parts: Sequence[Part],
        said: Mapping[str, Scopes],
        folder: Path,
    ) -> dict[str, Any]:
        """Write the model folder and return what the shipped model reaches on the test, calibrated."""
        device = training.device

        def describe(case: LesionCase, networks: Sequence[nn.Module]) -> CaseDescription:
            return describe_lesion(case.view(), feature_vectors(networks, case_input(case).to(device)))

        held_out = said.get(training.name, {}).get(VALIDATION, ())
        export_row(training, parts, held_out, describe, self.card(training.recipe), folder)
        tested = {one.case for one in said.get(training.name, {}).get(TEST, ())}
        by_fold = [
            one
            for part in parts
            if part.is_fold
            for one in read_predictions(training.folder / part.name / BESIDE_FILE)
            if one.case in tested
        ]
        truth = {one.case: one.probability for one in said.get("truth", {}).get(TEST, ())}
        calibration = calibration_of(held_out) or Calibration()
        return {"row": training.name, TEST: shipped_figures(by_fold, calibration, truth, training.recipe.bootstrap)}

    def file_of(self, scope: str) -> str:
        """Return `predictions.csv` for the held-out lesions."""
        return PREDICTIONS_FILE if scope == VALIDATION else super().file_of(scope)

    def write_tables(self, recipe: LocalFailureRecipe, figures: Figures, chosen: str | None, folder: Path) -> None:
        """Write the table in the form of the paper's."""
        write_tables(recipe, figures, chosen, folder)


def case_input(case: LesionCase) -> Tensor:
    """Return the batch of one (1, C, D, H, W) that a network sees of the unchanged lesion."""
    view = case.view()
    return torch.from_numpy(network_input(view.images, view.lesion))[None]


def model_card(recipe: LocalFailureRecipe) -> dict[str, Any]:
    """Return the card of the recipe's network, without its weights."""
    return {
        **recipe.card,
        "task": recipe.task,
        "network": {"name": recipe.network, **recipe.network_options},
        "spacing_mm": [recipe.spacing_mm] * 3,
        "field_mm": list(recipe.field_mm),
        "normalization": recipe.normalization,
        "ensemble": {"members": recipe.members, "folds": 0, "views": recipe.views},
    }


def _margin(recipe: LocalFailureRecipe) -> int:
    """Return by how many voxels the augmentation needs the box to be wider on every side."""
    view = recipe.field_of_view
    return math.ceil(recipe.augmentation.margin_mm([n * view.spacing_mm for n in view.size]) / view.spacing_mm)
