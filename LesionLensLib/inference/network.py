"""From a model card to a network with its trained weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from LesionLensLib.catalogue import ModelCard, load_weights
from LesionLensLib.errors import UserError
from LesionLensLib.networks.rsanet import RSANet

NETWORKS: dict[str, Callable[..., nn.Module]] = {"rsanet": RSANet}


def load_network(card: ModelCard) -> nn.Module:
    """Return the card's network in evaluation mode with its weights in fp32 on the CPU.

    Raises `UserError` where the card's description fits no network of this program or not the weights, and
    `EnvironmentFault` where the weights file is damaged.
    """
    weights = load_weights(card)
    network = build_network(card.network)
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise UserError(
            f"The weights of {card.id} do not fit the network its card describes.",
            "Correct the network in card.json or get the model again.",
            str(error),
        ) from error
    return network.eval()


def build_network(description: Mapping[str, Any]) -> nn.Module:
    """Return an untrained network from the `network` object of a card: its name and the arguments of its class."""
    arguments = {key: value for key, value in description.items() if key != "name"}
    name = description.get("name")
    if name not in NETWORKS:
        raise UserError(f"The model card names an unknown network: {name}.", f"Known: {', '.join(sorted(NETWORKS))}.")
    try:
        with torch.random.fork_rng(devices=[]):  # initial values draw random numbers, which must not shift the seed
            return NETWORKS[name](**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"The model card describes a {name} that cannot be built.", "Correct the network in card.json.", str(error)
        ) from error
