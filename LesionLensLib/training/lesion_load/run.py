"""One whole training of the lesion load: soils, network, figures on patients held out, the model folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from LesionLensLib.catalogue import read_card
from LesionLensLib.inference.device import choose_device
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.progress import Progress
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache
from LesionLensLib.training.curves import CURVES_FILE, draw_curves
from LesionLensLib.training.export import write_model, write_report
from LesionLensLib.training.lesion_load.brains import LabelledBrains
from LesionLensLib.training.lesion_load.evaluation import PREDICTIONS_FILE, judge, write_predictions
from LesionLensLib.training.lesion_load.examples import STILL, LoadBatches, LoadExample, draw_example
from LesionLensLib.training.lesion_load.real import judge_real
from LesionLensLib.training.lesion_load.recipe import LoadRecipe
from LesionLensLib.training.lesion_load.records import (
    held_out_record,
    load_card,
    loads_record,
    real_record,
    soils_record,
)
from LesionLensLib.training.lesion_load.soil import LoadSoil
from LesionLensLib.training.lesion_load.soils import held_out_soils, training_soils
from LesionLensLib.training.lesion_load.trainer import train_network
from LesionLensLib.training.precision import tell_of_precision
from LesionLensLib.training.team import ALONE, Team

DESCRIBED_STREAM, JUDGED_STREAM = 2, 3
SOILS_SHARE, TRAINED_SHARE = 0.25, 0.9
"""Of the whole run, what is done when the soils are made and when the last step is."""


def run_load_training(
    recipe: LoadRecipe,
    rows: Sequence[ManifestRow],
    folder: Path,
    device: str,
    progress: Progress,
    team: Team = ALONE,
    cache: CaseCache = NO_CACHE,
) -> dict[str, Any]:
    """Train as `recipe` says and write the model folder; what is there already is continued, not repeated.

    The processes of `team` share brains to plant in and batches; the first one alone does the rest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = choose_device(device, fast_cpu=False)
    on = torch.device(chosen.device)

    def tell(text: str) -> None:
        progress.update("data", 0.0, text)

    def tell_step(step: int, text: str) -> None:
        progress.update("train", SOILS_SHARE + (TRAINED_SHARE - SOILS_SHARE) * step / recipe.steps, text)

    tell_of_precision(recipe.precision, on, progress)
    labelled = LabelledBrains(rows, cache)
    kept = held_out_soils(rows, labelled, recipe, folder, tell, team)
    soils = training_soils(rows, labelled, recipe, folder, tell, team)
    state = train_network(recipe, soils, folder, on, tell_step, team=team)
    if not team.is_first:
        return {}
    network, weights = state.network.network, state.network.weights(state.average)
    network.load_state_dict(weights)
    progress.update("finish", TRAINED_SHARE, "judging the network")
    described = judge("training", network, _described(soils, recipe), on)
    held_out = judge("held-out", network, _held_out(kept, recipe), on)
    write_model(weights, load_card(recipe, described, held_out), folder)
    real = judge_real(rows, recipe.held_out_patients, read_card(folder))
    sets = [described, held_out, *([real] if real else [])]
    write_predictions(sets, folder / PREDICTIONS_FILE)
    report = {
        "recipe": recipe.to_dict(),
        "device": chosen.device,
        "steps": state.step,
        "training_set": soils_record(soils),
        "training_loads": loads_record(described),
        "held_out_planted": held_out_record(held_out, described, recipe.bootstrap),
        "real_label": real_record(real),
        "torch": torch.__version__,
        "processes": team.size,
    }
    write_report(report, folder)
    draw_curves([folder], folder / CURVES_FILE, "mean squared error, in units of the network", "Training loss")
    progress.update("finish", 1.0, "done")
    return report


def _described(soils: Sequence[LoadSoil], recipe: LoadRecipe) -> Iterator[LoadExample]:
    """Yield new examples as those of the training, with the loads that were taught."""
    batches = LoadBatches(soils, recipe)
    for number in range(recipe.described):
        yield batches.example(number, DESCRIBED_STREAM)


def _held_out(soils: Sequence[LoadSoil], recipe: LoadRecipe) -> Iterator[LoadExample]:
    """Yield `recipe.judged` examples from each soil with their true loads, the heads as they are."""
    for index, soil in enumerate(soils):
        for number in range(recipe.judged):
            rng = np.random.default_rng((recipe.seed, JUDGED_STREAM, index, number))
            yield draw_example(soil, recipe, STILL, rng)
