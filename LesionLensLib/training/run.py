"""One whole training: the training set, the network, the brain network, the model folder, the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from LesionLensLib.inference.brain_network import make_brain_network
from LesionLensLib.inference.device import choose_device
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.progress import Progress
from LesionLensLib.training.brain import CHANNELS
from LesionLensLib.training.brain_extraction import brain_dice, phantom_heads, read_head, train_brain_network
from LesionLensLib.training.export import draw_curve, export_model
from LesionLensLib.training.pool import PoolEntry, build_pool
from LesionLensLib.training.recipe import Recipe
from LesionLensLib.training.trainer import train
from LesionLensLib.training.validation import held_out_pool, validate

BRAIN_FILE = "brain.safetensors"


def run_training(
    recipe: Recipe, rows: Sequence[ManifestRow], folder: Path, device: str, progress: Progress
) -> dict[str, Any]:
    """Train as `recipe` says and write the model folder; what is there already is continued, not repeated."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = choose_device(device)
    pool = build_pool(rows, recipe, lambda text: progress.update("data", 0.0, text))

    def tell(text: str) -> None:
        progress.update("train", 0.5, text)

    state = train(recipe, pool, folder, torch.device(chosen.device), tell)
    network = state.network
    network.load_state_dict(state.average)
    brain, brain_report = _brain_network(recipe, rows, folder, tell)
    report = {
        "recipe": recipe.to_dict(),
        "device": chosen.device,
        "steps": state.step,
        "training_set": _describe(pool, rows),
        "validation_voxel_dice": validate(network, held_out_pool(rows, recipe, tell), recipe, chosen),
        "brain_network": brain_report,
        "torch": torch.__version__,
    }
    export_model(recipe, state.average, brain, report, folder)
    draw_curve(folder)
    progress.update("train", 1.0, "done")
    return report


def _brain_network(
    recipe: Recipe, rows: Sequence[ManifestRow], folder: Path, tell: Callable[[str], None]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Train the brain network, or take it from `folder` when it was trained before."""
    heads = [read_head(row) for row in rows if row.split != "test" and row.has(*CHANNELS, "brain")]
    heads += phantom_heads(recipe.phantom_heads)
    if not (folder / BRAIN_FILE).exists():
        weights = train_brain_network(heads, recipe.brain_steps, recipe.seed, tell)
        save_file({name: value.contiguous() for name, value in weights.items()}, folder / BRAIN_FILE)
    weights = load_file(folder / BRAIN_FILE)
    network = make_brain_network(len(CHANNELS))
    network.load_state_dict(weights)
    scores = {head.case: round(brain_dice(network, head), 4) for head in heads}
    return weights, {"steps": recipe.brain_steps, "dice_on_training_heads": scores}


def _describe(pool: Sequence[PoolEntry], rows: Sequence[ManifestRow]) -> dict[str, Any]:
    phantoms = [entry.name for entry in pool if entry.name.startswith("phantom")]
    planted = [float(e.lesion.sum()) / 1000 for e in pool if not e.is_real and e.name not in phantoms]
    return {
        "real_labelled": [entry.name for entry in pool if entry.is_real],
        "brains": sorted({row.case for row in rows if row.split != "test" and row.has(*CHANNELS, "brain")}),
        "phantoms": phantoms,
        "planted_volumes": len(planted),
        "planted_lesion_ml": {"median": float(np.median(planted)), "smallest": min(planted), "largest": max(planted)},
        "shapes": sum(1 for row in rows if row.split != "test" and row.has("lesion") and not row.has("FLAIR")),
    }
