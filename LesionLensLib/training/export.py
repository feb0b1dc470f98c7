"""Write a trained model as a model folder: half-precision weights, the card that states their hash, the report."""

from __future__ import annotations

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
