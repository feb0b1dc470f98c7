"""Write a trained model as a model folder: half-precision weights, the card that states their hash, the report."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from LesionLensLib.inference.brain_network import PREFIX
from LesionLensLib.model_card import CARD_FILE, CARD_SCHEMA
from LesionLensLib.training.recipe import Recipe
from LesionLensLib.training.training_log import LOG_FILE

WEIGHTS_FILE = "weights.safetensors"
REPORT_FILE = "training-report.json"


def export_model(
    recipe: Recipe, network: Mapping[str, Tensor], brain: Mapping[str, Tensor], report: Mapping[str, Any], folder: Path
) -> None:
    """Write weights, card and training report into `folder`; weights are stored as fp16, which halves the download."""
    tensors = dict(network) | {PREFIX + name: value for name, value in brain.items()}
    description = {
        "name": "rsanet",
        "base_width": recipe.base_width,
        "attention": recipe.attention,
        "kind": recipe.kind,
        "dropout": recipe.dropout,
    }
    write_model(tensors, {**recipe.card, "network": description}, folder)
    write_report(report, folder)


def write_model(tensors: Mapping[str, Tensor], card: Mapping[str, Any], folder: Path) -> None:
    """Write weights and `card` into `folder`; the card gets its schema and the weights' hash.

    Running variances of a batch normalisation stay fp32: small ones would become 0 in fp16, and then divide by nothing.
    """
    content = save({name: _stored(name, value) for name, value in sorted(tensors.items())})
    (folder / WEIGHTS_FILE).write_bytes(content)
    weights = {"file": WEIGHTS_FILE, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    record = {"schema": CARD_SCHEMA, **card, "weights": weights}
    (folder / CARD_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write the training report into `folder`."""
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _stored(name: str, value: Tensor) -> Tensor:
    value = value.detach().contiguous()
    keep = not value.is_floating_point() or name.endswith(("running_mean", "running_var"))
    return value if keep else value.to(torch.float16)


def draw_curve(folder: Path) -> None:
    """Draw the loss of `metrics.csv` in `folder` as `loss.png`."""
    draw_losses([folder], folder / "loss.png", "weighted cross-entropy + soft Dice loss", "Training loss")


def draw_losses(folders: Sequence[Path], path: Path, loss: str, title: str) -> None:
    """Draw the losses of the logs in `folders` as curves of one picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for folder in folders:
        with (folder / LOG_FILE).open(newline="", encoding="utf-8") as file:
            rows = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]
        axes.plot([step for step, _ in rows], [loss for _, loss in rows], linewidth=1)
    axes.set(xlabel="optimiser step", ylabel=loss, title=title)
    figure.savefig(path, dpi=110)
