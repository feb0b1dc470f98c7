"""One whole training: the training set, the network, the brain network, the model folder, the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from LesionLensLib.errors import UserError
from LesionLensLib.inference.brain_network import make_brain_network
from LesionLensLib.inference.device import DeviceChoice, choose_device
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.progress import Progress
from LesionLensLib.training.brain import CHANNELS
from LesionLensLib.training.brain_extraction import brain_dice, phantom_heads, read_head, train_brain_network
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache
from LesionLensLib.training.curves import CURVES_FILE, draw_curves
from LesionLensLib.training.export import export_model
from LesionLensLib.training.history import read_history
from LesionLensLib.training.pool import PoolEntry, build_pool, outline_rows
from LesionLensLib.training.recipe import Recipe
from LesionLensLib.training.sources_cached import fill_with_brains
from LesionLensLib.training.start import starting_card, starting_report, starting_weights
from LesionLensLib.training.team import ALONE, Team
from LesionLensLib.training.trainer import train
from LesionLensLib.training.validation import held_out_pool, validate

BRAIN_FILE = "brain.safetensors"
UNSEEN_FILE = "before-labels.json"
TRAINED = 0.95
"""The share of the work that is done when the last step is: the brain network and the validation follow."""


def run_training(
    recipe: Recipe,
    rows: Sequence[ManifestRow],
    folder: Path,
    device: str,
    progress: Progress,
    team: Team = ALONE,
    cache: CaseCache = NO_CACHE,
) -> dict[str, Any]:
    """Train as `recipe` says and write the model folder; what is there already is continued, not repeated.

    The processes of `team` share the batches of RSANet; the first one alone does the rest and returns the report.
    """
    _need_held_out_shapes(rows, recipe)
    begun = starting_report(recipe.start_from, folder) if recipe.start_from else None
    if recipe.start_from:
        recipe = replace(recipe, card={**starting_card(recipe.start_from, folder), **recipe.card})
    folder.mkdir(parents=True, exist_ok=True)
    chosen = choose_device(device)
    fill_with_brains(cache, rows, team)
    pool = build_pool(rows, recipe, lambda text: progress.update("data", 0.0, text), cache)

    def tell_step(step: int, text: str) -> None:
        progress.update("train", TRAINED * step / recipe.all_steps, text)

    def tell(text: str) -> None:
        progress.update("finish", TRAINED, text)

    unseen = _check_before_labels(recipe, pool, folder, chosen, tell_step, team)
    state = train(recipe, pool, folder, torch.device(chosen.device), tell_step, team=team)
    if not team.is_first:
        return {}
    network = state.network
    network.load_state_dict(state.average)
    brain, brain_report = _brain_network(recipe, rows, folder, tell)
    report = {
        "recipe": recipe.to_dict(),
        "device": chosen.device,
        "steps": state.step,
        "history": read_history(folder),
        "training_set": _describe(pool, rows, recipe),
        "labelled_patients_before_training_on_them": unseen,
        "validation": validate(network, held_out_pool(rows, recipe, tell, cache), recipe, chosen),
        "brain_network": brain_report,
        "started_from": begun,
        "torch": torch.__version__,
        "processes": team.size,
    }
    export_model(recipe, state.average, brain, report, folder)
    draw_curves([folder], folder / CURVES_FILE, "weighted cross-entropy + soft Dice loss", "Training loss")
    progress.update("finish", 1.0, "done")
    return report


def _need_held_out_shapes(rows: Sequence[ManifestRow], recipe: Recipe) -> None:
    """Raise `UserError` before hours of training where nothing would be left to validate on."""
    if not any(row.patient in recipe.held_out_outlines for row in rows if row.has("lesion") and not row.has("FLAIR")):
        raise UserError(
            "The manifest has none of the lesion masks that the recipe holds out for validation.",
            "Name patients of rows with a lesion mask alone under held_out_outlines in the recipe.",
        )


def _check_before_labels(
    recipe: Recipe,
    pool: list[PoolEntry],
    folder: Path,
    device: DeviceChoice,
    tell: Callable[[int, str], None],
    team: Team,
) -> dict[str, Any] | None:
    """Train up to the step at which labelled patients join, and judge the network on them while they are still new.

    This is the one honest look, without a test patient, at what the simulation alone has taught.
    """
    path = folder / UNSEEN_FILE
    if recipe.labelled_from_step and not team.decide(path.exists):
        state = train(
            recipe, pool, folder, torch.device(device.device), tell, lambda step: step >= recipe.labelled_from_step,
            team,
        )  # fmt: skip
        if state.step == recipe.labelled_from_step and team.is_first:
            state.network.load_state_dict(state.average)
            scores = validate(state.network, [entry for entry in pool if entry.is_real], recipe, device)
            path.write_text(json.dumps({"step": state.step, **scores}, indent=2) + "\n", encoding="utf-8")
        team.wait()
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _brain_network(
    recipe: Recipe, rows: Sequence[ManifestRow], folder: Path, tell: Callable[[str], None]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Train the brain network, or take it from `folder` or from the starting model when it was trained before."""
    heads = [read_head(row) for row in rows if row.split != "test" and row.has(*CHANNELS, "brain")]
    heads += phantom_heads(recipe.phantom_heads)
    if not (folder / BRAIN_FILE).exists():
        weights = starting_weights(recipe.start_from, folder)[1] if recipe.start_from else {}
        weights = weights or train_brain_network(heads, recipe.brain_steps, recipe.seed, tell)
        save_file({name: value.contiguous() for name, value in weights.items()}, folder / BRAIN_FILE)
    weights = load_file(folder / BRAIN_FILE)
    network = make_brain_network(len(CHANNELS))
    network.load_state_dict(weights)
    scores = {head.case: round(brain_dice(network, head), 4) for head in heads}
    return weights, {"steps": recipe.brain_steps, "dice_on_training_heads": scores}


def _describe(pool: Sequence[PoolEntry], rows: Sequence[ManifestRow], recipe: Recipe) -> dict[str, Any]:
    phantoms = [entry.name for entry in pool if entry.name.startswith("phantom")]
    planted = [float(e.lesion.sum()) / 1000 for e in pool if not e.is_real and e.name not in phantoms]
    return {
        "real_labelled": [entry.name for entry in pool if entry.is_real],
        "brains": sorted({row.case for row in rows if row.split != "test" and row.has(*CHANNELS, "brain")}),
        "painted_anatomy": sorted({e.name.rsplit("_", 1)[0] for e in pool if e.channels is None}),
        "phantoms": phantoms,
        "planted_volumes": len(planted),
        "planted_lesion_ml": {"median": float(np.median(planted)), "smallest": min(planted), "largest": max(planted)},
        "shapes": len(outline_rows([row for row in rows if row.split != "test"], recipe)),
    }
