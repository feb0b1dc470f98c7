"""What a training of the lesion load leaves in words and numbers: the model card and the parts of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from LesionLensLib.inference.brain_lesion_input import WITHOUT_BIAS_FIELD
from LesionLensLib.regression_card import RegressionCard, RegressionOutput, SideDifferences
from LesionLensLib.training.lesion_load.evaluation import (
    Judged,
    bright_voxels,
    fit_bright_voxels,
    load_figures,
    rmse,
    with_difference,
)
from LesionLensLib.training.lesion_load.recipe import KINDS, NETWORK, OUTPUTS, LoadRecipe
from LesionLensLib.training.lesion_load.soil import LoadSoil

QUANTILES = np.linspace(0, 1, 41)
QUARTILES = np.linspace(0, 1, 5)
TITLES = ("Lesion load", "Lesion load on the left", "Lesion load on the right")
LEAST_SIGMA = 1e-6
"""An output that never moves still needs a spread that can be divided by."""


def load_card(recipe: LoadRecipe, described: Judged, held_out: Judged) -> dict[str, Any]:
    """Return the model card: the recipe's part, the network, the spread of the outputs, the differences of the sides.

    `described` are examples as those of the training, `held_out` those of other patients, from whom the errors come.
    """
    sigmas = np.maximum(described.said.std(0), LEAST_SIGMA)
    errors = [round(rmse(held_out.truth[:, n], held_out.said[:, n]), 3) for n in range(len(OUTPUTS))]
    outputs = [
        RegressionOutput(name, "ml", float(sigma), title, error)
        for name, sigma, title, error in zip(OUTPUTS, sigmas, TITLES, errors, strict=True)
    ]
    quantiles = [
        tuple(np.round(np.quantile(with_difference(loads)[:, -1], QUANTILES), 3).tolist())
        for loads in (described.truth, described.said)
    ]
    differences = SideDifferences("left", "right", len(described.cases), *quantiles)
    return {
        **recipe.card,
        "task": recipe.task,
        "spacing_mm": [recipe.spacing_mm] * 3,
        "normalization": WITHOUT_BIAS_FIELD,
        "network": {"name": NETWORK, **recipe.network_options},
        "regression": RegressionCard(tuple(outputs), differences).to_dict(),
    }


def soils_record(soils: Sequence[LoadSoil]) -> dict[str, Any]:
    """Return of each kind of brain whose it is, how often it was planted, and how much lesion lies in each planting."""
    record = {}
    for kind in KINDS:
        chosen = [soil for soil in soils if soil.kind == kind]
        record[kind] = {
            "patients": sorted({soil.patient for soil in chosen}),
            "plantings": len(chosen),
            "planted_ml": [round(float(soil.part_ml.sum()), 1) for soil in chosen],
        }
    return record


def loads_record(described: Judged) -> dict[str, Any]:
    """Return the quartiles of the loads that were taught, and how far left and right go together."""
    loads = with_difference(described.truth)
    names = (*OUTPUTS, "left_minus_right")
    sides = described.truth[:, 1:]
    moves = bool(sides.std(0).min() > 0)
    return {
        "cases": len(described.cases),
        "quartiles_ml": {
            name: [round(float(np.quantile(loads[:, n], share)), 2) for share in QUARTILES]
            for n, name in enumerate(names)
        },
        "correlation_of_left_and_right": round(float(np.atleast_2d(np.corrcoef(sides.T))[0, 1]), 3) if moves else None,
    }


def held_out_record(held_out: Judged, described: Judged, repeats: int) -> dict[str, Any]:
    """Return the figures of the network on patients held out, and those of a count of bright voxels of FLAIR."""
    line = fit_bright_voxels(described)
    return {
        "patients": sorted(set(held_out.patients)),
        "network": load_figures(held_out, repeats),
        "bright_flair_voxels": load_figures(bright_voxels(held_out, line), repeats),
    }


def real_record(real: Judged | None) -> list[dict[str, Any]]:
    """Return truth and answer for every patient held out whose lesions are really known."""
    if real is None:
        return []
    records = []
    for case, truth, said in zip(real.cases, real.truth.round(2), real.said.round(2), strict=True):
        loads = {name: {"true_ml": truth[n], "said_ml": said[n]} for n, name in enumerate(OUTPUTS)}
        records.append({"case": case, **loads})
    return records
