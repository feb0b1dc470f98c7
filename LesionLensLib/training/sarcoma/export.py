"""Write the shipped row as a model folder: the final network and, beside it, the networks of the folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from LesionLensLib.inference.outcome_network import FINAL_PREFIX, FOLD_PREFIX
from LesionLensLib.outcome.case_description import CaseDescription
from LesionLensLib.training.export import write_model
from LesionLensLib.training.outcome.parts import Part
from LesionLensLib.training.outcome.predictions import Prediction
from LesionLensLib.training.outcome.row import RowTraining
from LesionLensLib.training.outcome.statistics import calibration_of, typicality_of, write_statistics
from LesionLensLib.training.sarcoma.cases import OutcomeCase
from LesionLensLib.training.sarcoma.prediction import describe_training_case
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe


def export_row(
    training: RowTraining[OutcomeRecipe, OutcomeCase],
    folds: Sequence[Part],
    final: Part,
    held_out: Sequence[Prediction],
    folder: Path,
) -> None:
    """Write weights, card and typicality; the networks of `folds` are left out where the recipe does not ship them.

    `held_out` is what the networks of the folds said, to which the calibration is fitted.
    """
    tensors: dict[str, Tensor] = {}
    for member, weights in enumerate(training.weights(final)):
        prefix = f"{FINAL_PREFIX}{member}." if member else ""
        tensors |= {prefix + name: value for name, value in weights.items()}
    shipped = folds if training.recipe.ship_folds else ()
    for number, part in enumerate(shipped):
        for member, weights in enumerate(training.weights(part)):
            tensors |= {f"{FOLD_PREFIX}{number}.{member}.{name}": value for name, value in weights.items()}
    typicality = typicality_of(*_described(training, shipped, final))
    fields = write_statistics(calibration_of(held_out), typicality, folder)
    write_model(tensors, {**outcome_card(training.recipe, len(shipped)), **fields}, folder)


def _described(
    training: RowTraining[OutcomeRecipe, OutcomeCase], folds: Sequence[Part], final: Part
) -> tuple[list[CaseDescription], list[int]]:
    """Return the cases of the final part as typicality sees them, and the number of the fold that held each out.

    With `folds` the features are those of each fold's first network, else there are none.
    """
    networks = [training.networks(part)[0] for part in folds]
    held_out = {name: number for number, part in enumerate(folds) for name in part.test}
    cases = [training.cases[name] for name in final.train]
    described = [describe_training_case(case, training.recipe, networks, training.device) for case in cases]
    return described, [held_out.get(name, 0) for name in final.train]


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
