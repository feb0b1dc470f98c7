"""A model folder of the quick estimate whose answer is known: the same left and right load for every image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tiny_model import tiny_card

from LesionLensLib.inference.network import build_network
from LesionLensLib.training.export import write_model

LEFT_ML, RIGHT_ML, ERROR_ML = 3.3, 1.6, 2.04
NETWORK = {"name": "vgg3d", "in_channels": 2, "out_channels": 3, "widths": [2, 2], "hidden": 4, "field": [16, 24, 16]}


def write_quick_model(root: Path, **changes: Any) -> Path:
    """Write the folder `vgg-lesion-load` below `root`; returns it."""
    folder = root / "vgg-lesion-load"
    folder.mkdir(parents=True)
    network = build_network(NETWORK)
    torch.nn.init.zeros_(network.output.weight)
    network.output.bias.data = torch.tensor([LEFT_ML, RIGHT_ML]) / network.unit
    errors = {"total": ERROR_ML, "left": 1.0, "right": 1.1}
    outputs = [{"name": name, "unit": "ml", "sigma": 5.0, "error": error} for name, error in errors.items()]
    sides = {"left": "left", "right": "right", "cases": 9, "truth": [-5, 5], "predicted": [-5, 5]}
    record = tiny_card() | {
        "id": folder.name, "network": NETWORK, "spacing_mm": [10.0, 10.0, 10.0], "normalization": "brain-scores",
        "evidence": "simulated", "task": "regression", "regression": {"outputs": outputs, "differences": sides},
    }  # fmt: skip
    record["channel_def"] = [channel for channel in record["channel_def"] if channel["role"] != "T2"]
    left_out = ("schema", "weights")
    kept = {name: value for name, value in (record | changes).items() if name not in left_out}
    write_model(network.state_dict(), kept, folder)
    return folder
