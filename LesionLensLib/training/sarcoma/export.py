"""Write the shipped row as a model folder: the final network and, beside it, the networks of the folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from LesionLensLib.inference.outcome_network import FINAL_PREFIX, FOLD_PREFIX
from LesionLensLib.training.export import write_model
from LesionLensLib.training.outcome.parts import Part
from LesionLensLib.training.outcome.row import RowTraining
from LesionLensLib.training.sarcoma.cases import OutcomeCase
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe


def export_row(
    training: RowTraining[OutcomeRecipe, OutcomeCase], folds: Sequence[Part], final: Part, folder: Path
) -> None:
    """Write weights and card; the networks of `folds` are left out where the recipe does not ship them."""
    tensors: dict[str, Tensor] = {}
    for member, weights in enumerate(training.weights(final)):
        prefix = f"{FINAL_PREFIX}{member}." if member else ""
        tensors |= {prefix + name: value for name, value in weights.items()}
    shipped = folds if training.recipe.ship_folds else ()
    for number, part in enumerate(shipped):
        for member, weights in enumerate(training.weights(part)):
            tensors |= {f"{FOLD_PREFIX}{number}.{member}.{name}": value for name, value in weights.items()}
    write_model(tensors, outcome_card(training.recipe, len(shipped)), folder)


def outcome_card(recipe: OutcomeRecipe, folds: int) -> Mapping[str, Any]:
    """Return the card of the recipe's network, without its weights."""
    spacing = [recipe.spacing_mm] * 3
    return {
        **recipe.card,
        "task": recipe.task,
        "network": {"name": "chmfl", "variant": recipe.network, **recipe.options},
        "spacing_mm": spacing,
        "field_mm": list(recipe.field_mm),
        "normalization": recipe.normalization,
        "ensemble": {"members": recipe.members, "folds": folds, "views": recipe.views},
    }
