"""What each kind of outcome model does in its own way; the study around it is the same for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic

import torch
from torch import Tensor, nn

from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache
from LesionLensLib.training.outcome.baselines import Baseline
from LesionLensLib.training.outcome.parts import Part
from LesionLensLib.training.outcome.predictions import PREDICTIONS_FILE, Prediction
from LesionLensLib.training.outcome.tables import Figures, Scopes
from LesionLensLib.training.outcome.trained_row import CaseT, RecipeT, TrainedRow
from LesionLensLib.training.outcome_folds import FoldPlan
from LesionLensLib.training.team import ALONE, Team

Tell = Callable[[int, str], None]
PartPredictions = Callable[[Part], tuple[Prediction, ...]]


class ModelKind(ABC, Generic[RecipeT, CaseT]):
    """The cases, the network and its training of one kind of outcome model.

    `yardstick` is the baseline that every row is compared with, `held_out` the scope of what the folds held out.
    """

    yardstick: str
    held_out: str

    @abstractmethod
    def labelled(self, recipe: RecipeT, rows: Sequence[ManifestRow]) -> list[ManifestRow]:
        """Return the rows with an outcome and all files; raises `UserError` where there is none."""

    @abstractmethod
    def card(self, recipe: RecipeT) -> Mapping[str, Any]:
        """Return the card of the model of a single row, as far as it is known before the training."""

    @abstractmethod
    def roles(self, recipe: RecipeT) -> tuple[str, ...]:
        """Return the images that the network of a single row sees, in order."""

    @abstractmethod
    def plan(self, recipe: RecipeT, rows: Sequence[ManifestRow]) -> tuple[FoldPlan | None, tuple[Part, ...]]:
        """Return the folds and all parts in the order in which they are trained."""

    @abstractmethod
    def box(self, recipe: RecipeT) -> Hashable:
        """Return what the cases in memory depend on: rows of the same recipe box share them."""

    @abstractmethod
    def read_cases(
        self, recipe: RecipeT, rows: Sequence[ManifestRow], cache: CaseCache = NO_CACHE, team: Team = ALONE
    ) -> dict[str, CaseT]:
        """Read all cases, by name; each process of `team` begins elsewhere, and finds the others' cases in `cache`."""

    @abstractmethod
    def make_network(self, recipe: RecipeT) -> nn.Module:
        """Return the untrained network."""

    @abstractmethod
    def train(
        self,
        recipe: RecipeT,
        cases: Sequence[CaseT],
        folder: Path,
        device: torch.device,
        tell: Tell,
        team: Team = ALONE,
    ) -> Mapping[str, Tensor]:
        """Train one network on `cases`, resumably in `folder`, and return the weights to keep.

        The processes of `team` share its batches.
        """

    @abstractmethod
    def steps(self, recipe: RecipeT, examples: int) -> int:
        """Return how many optimiser steps a training on so many cases has."""

    @abstractmethod
    def judge(
        self, networks: Sequence[nn.Module], cases: Sequence[CaseT], recipe: RecipeT, device: torch.device
    ) -> list[Prediction]:
        """Return what `networks` together say about `cases`, without a fold."""

    @abstractmethod
    def make_baseline(self, name: str) -> Baseline:
        """Return a row without a network; raises `EnvironmentFault` where its library is not installed."""

    @abstractmethod
    def scopes(self, parts: Sequence[Part], said: PartPredictions, beside: PartPredictions) -> Scopes:
        """Return the predictions of one row by what they are judged on; a part not yet trained has none."""

    @abstractmethod
    def export(
        self,
        training: TrainedRow[RecipeT, CaseT],
        parts: Sequence[Part],
        said: Mapping[str, Scopes],
        folder: Path,
    ) -> dict[str, Any]:
        """Write the model folder of a row all of whose `parts` are trained; `said` is what all rows said.

        Return what the training report says about the model beside the figures of all rows.
        """

    def choose(self, recipe: RecipeT, said: Mapping[str, Scopes]) -> str | None:
        """Return the row that becomes the model from the predictions of each row by scope; None if not yet known."""
        return recipe.row_names()[0]

    def file_of(self, scope: str) -> str:
        """Return the name of the file with the chosen row's predictions of a scope."""
        return f"{scope}-{PREDICTIONS_FILE}"

    def write_tables(self, recipe: RecipeT, figures: Figures, chosen: str | None, folder: Path) -> None:
        """Write tables beside `metrics.csv`; `chosen` is the row that becomes the model, if known."""
