"""Write a trained model as a model folder: half-precision weights, the card that states their hash, the report."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from LesionLensLib.inference.brain_network import PREFIX
from LesionLensLib.model_card import CARD_FILE, CARD_SCHEMA
from LesionLensLib.training.recipe import Recipe

WEIGHTS_FILE = "weights.safetensors"
REPORT_FILE = "training-report.json"


def export_model(
    recipe: Recipe, network: Mapping[str, Tensor], brain: Mapping[str, Tensor], report: Mapping[str, Any], folder: Path
) -> None:
    """Write weights, card and training report into `folder`; weights are stored as fp16, which halves the download."""
    tensors = dict(network) | {PREFIX + name: value for name, value in brain.items()}
    content = save({name: value.detach().to(torch.float16).contiguous() for name, value in sorted(tensors.items())})
    (folder / WEIGHTS_FILE).write_bytes(content)
    card = {
        "schema": CARD_SCHEMA,
        **recipe.card,
        "network": {
            "name": "rsanet",
            "base_width": recipe.base_width,
            "attention": recipe.attention,
            "kind": recipe.kind,
            "dropout": recipe.dropout,
        },
        "weights": {"file": WEIGHTS_FILE, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)},
    }
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def draw_curve(folder: Path) -> None:
    """Draw the loss of `metrics.csv` in `folder` as `loss.png`."""
    from matplotlib.figure import Figure

    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([step for step, _ in rows], [loss for _, loss in rows], linewidth=1)
    axes.set(xlabel="optimiser step", ylabel="weighted cross-entropy + soft Dice loss", title="Training loss")
    figure.savefig(folder / "loss.png", dpi=110)
