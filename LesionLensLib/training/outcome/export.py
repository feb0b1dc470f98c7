"""Write a trained row as a model folder: the final network and, beside it, the networks of the folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from LesionLensLib.inference.outcome_network import DECODER_PREFIX, FINAL_PREFIX, FOLD_PREFIX
from LesionLensLib.outcome.case_description import CaseDescription
from LesionLensLib.training.export import write_model
from LesionLensLib.training.outcome.parts import Part
from LesionLensLib.training.outcome.predictions import Prediction
from LesionLensLib.training.outcome.statistics import calibration_of, typicality_of, write_statistics
from LesionLensLib.training.outcome.trained_row import CaseT, RecipeT, TrainedRow

Describe = Callable[[CaseT, Sequence[nn.Module]], CaseDescription]
"""Makes of a case what typicality compares, with the features that some networks see in it."""


def export_row(
    training: TrainedRow[RecipeT, CaseT],
    parts: Sequence[Part],
    held_out: Sequence[Prediction],
    describe: Describe[CaseT],
    card: Mapping[str, Any],
    folder: Path,
) -> None:
    """Write weights, card and typicality; the networks of the folds are left out where the recipe does not ship them.

    They are shipped without a decoder, which would be two thirds of the file: they answer for the interval alone. The
    last of `parts` is the final one. `held_out` is what the networks of the folds said, to which the calibration
    is fitted. `card` is completed by the number of networks, calibration and typicality.
    """
    folds, final, recipe = [part for part in parts if part.is_fold], parts[-1], training.recipe
    shipped = folds if recipe.ship_folds else []
    tensors: dict[str, Tensor] = {}
    for member, weights in enumerate(training.weights(final)):
        prefix = f"{FINAL_PREFIX}{member}." if member else ""
        tensors |= {prefix + name: value for name, value in weights.items()}
    for number, part in enumerate(shipped):
        for member, weights in enumerate(training.weights(part)):
            prefix = f"{FOLD_PREFIX}{number}.{member}."
            tensors |= {prefix + name: value for name, value in weights.items() if not name.startswith(DECODER_PREFIX)}
    typicality = typicality_of(*_described(training, shipped, final, describe))
    fields = write_statistics(calibration_of(held_out), typicality, folder)
    ensemble = {**card["ensemble"], "folds": len(shipped)}
    write_model(tensors, {**card, "ensemble": ensemble, **fields}, folder)


def _described(
    training: TrainedRow[RecipeT, CaseT], folds: Sequence[Part], final: Part, describe: Describe[CaseT]
) -> tuple[list[CaseDescription], list[int]]:
    """Return the cases of the final part as typicality sees them, and the number of the fold that held each out.

    With `folds` the features are those of each fold's first network, else there are none.
    """
    networks = [training.networks(part)[0] for part in folds]
    held_out = {name: number for number, part in enumerate(folds) for name in part.test}
    described = [describe(training.cases[name], networks) for name in final.train]
    return described, [held_out.get(name, 0) for name in final.train]
