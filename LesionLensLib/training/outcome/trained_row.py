"""What a row of the table leaves behind once it is trained: weights and networks of every part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from LesionLensLib.training.outcome.parts import Part
from LesionLensLib.training.outcome.study_recipe import StudyRecipe

RecipeT = TypeVar("RecipeT", bound=StudyRecipe)
CaseT = TypeVar("CaseT")


@dataclass(frozen=True, eq=False)
class TrainedRow(ABC, Generic[RecipeT, CaseT]):
    """One recipe (of a single row), the folder of the row, the cases by name and the device."""

    recipe: RecipeT
    folder: Path
    cases: Mapping[str, CaseT]
    device: torch.device

    @property
    def name(self) -> str:
        """The name of the row."""
        return self.folder.name

    @abstractmethod
    def weights(self, part: Part) -> list[dict[str, Tensor]]:
        """Return the weights of the networks of a finished part."""

    @abstractmethod
    def networks(self, part: Part) -> list[nn.Module]:
        """Return the networks of a finished part."""
