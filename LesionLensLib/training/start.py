"""Begin a training where another one ended: the weights of its model folder, and what its report says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from LesionLensLib.catalogue import load_weights, read_card
from LesionLensLib.errors import UserError
from LesionLensLib.inference.brain_network import PREFIX
from LesionLensLib.model_card import CARD_FILE
from LesionLensLib.training.export import REPORT_FILE


def starting_weights(name: str, folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the tensors of the network and of its brain network in the model `name`, a folder beside `folder`.

    Raises `UserError` where there is no such model.
    """
    tensors = load_weights(read_card(_beside(name, folder)))
    brain = {key.removeprefix(PREFIX): value for key, value in tensors.items() if key.startswith(PREFIX)}
    return {key: value for key, value in tensors.items() if not key.startswith(PREFIX)}, brain


def take_over(network: nn.Module, average: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    """Put `weights` into `network` and its running `average`; raises `UserError` where they belong to another one."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        message = "The model to start from has another architecture than the recipe asks for."
        raise UserError(message, "Give both recipes the same network settings.", str(error)) from error
    for name, value in network.state_dict().items():
        average[name].copy_(value)


def starting_card(name: str, folder: Path) -> dict[str, Any]:
    """Return what the card of the model `name` says beyond what every training writes into it anew."""
    record: dict[str, Any] = json.loads((_beside(name, folder) / CARD_FILE).read_text(encoding="utf-8"))
    return {key: value for key, value in record.items() if key not in ("schema", "network", "weights")}


def starting_report(name: str, folder: Path) -> dict[str, Any]:
    """Return the hash of the weights that the training in `folder` began with, and the report of how they were made.

    Raises `UserError` where that report is damaged.
    """
    start = _beside(name, folder)
    try:
        report = json.loads((start / REPORT_FILE).read_text(encoding="utf-8"))
        report["recipe"].pop("card", None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"The {REPORT_FILE} of {name}, the model to start from, cannot be read."
        raise UserError(message, "Train it again, or get the model again.", repr(error)) from error
    return {"weights_sha256": read_card(start).weights.sha256, "report": report}


def _beside(name: str, folder: Path) -> Path:
    if not name or Path(name).name != name:
        raise UserError(f"start_from is {name!r}, which is no folder name.", "Name a folder beside the output folder.")
    start = folder.resolve().parent / name
    if not (start / REPORT_FILE).is_file():
        raise UserError(f"There is no trained model in {name}, beside the output folder.", "Train it first.")
    return start
