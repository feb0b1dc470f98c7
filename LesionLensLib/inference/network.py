"""From a model card to a network with its trained weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, cast

import torch
from torch import nn

from LesionLensLib.catalogue import load_weights
from LesionLensLib.errors import UserError
from LesionLensLib.inference.brain_network import PREFIX
from LesionLensLib.model_card import ModelCard
from LesionLensLib.networks.chmfl_variants import build_chmfl
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.networks.vgg3d import Vgg3d

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "chmfl": build_chmfl,
    "resnet3d": ResNet3d,
    "rsanet": RSANet,
    "vgg3d": Vgg3d,
}

ENTRY_POINTS = "lesionlens.networks"
"""The group in which an installed package registers networks of its own; a model folder never brings code along."""


@dataclass(frozen=True)
class Model:
    """A network in evaluation mode, and the weights of the small one that finds the brain (empty if there is none)."""

    network: nn.Module
    brain_weights: Mapping[str, torch.Tensor]


def load_model(card: ModelCard) -> Model:
    """Return the card's networks with their weights in fp32 on the CPU.

    Raises `UserError` where the card's description fits no network of this program or not the weights, and
    `EnvironmentFault` where the weights file is damaged.
    """
    weights = load_weights(card)
    brain_weights = {name.removeprefix(PREFIX): t for name, t in weights.items() if name.startswith(PREFIX)}
    network = build_network(card.network)
    try:
        network.load_state_dict({n: t for n, t in weights.items() if not n.startswith(PREFIX)}, strict=True)
    except RuntimeError as error:
        raise UserError(
            f"The weights of {card.id} do not fit the network its card describes.",
            "Correct the network in card.json or get the model again.",
            str(error),
        ) from error
    return Model(network.eval(), brain_weights)


def build_network(description: Mapping[str, Any]) -> nn.Module:
    """Return an untrained network from the `network` object of a card: its name and the arguments of its class.

    Raises `UserError` for a name that neither this program nor an installed package has, and wrong arguments.
    """
    arguments = {key: value for key, value in description.items() if key != "name"}
    make = maker_of(description)
    try:
        with torch.random.fork_rng(devices=[]):  # initial values draw random numbers, which must not shift the seed
            return make(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"The model card describes a {description.get('name')} that cannot be built.",
            "Correct the network in card.json.",
            str(error),
        ) from error


def maker_of(description: Mapping[str, Any]) -> Callable[..., nn.Module]:
    """Return what builds the network that a card names: this program's own, else an installed package's.

    Raises `UserError` for a name that neither has.
    """
    name = str(description.get("name"))
    return NETWORKS.get(name) or _registered(name)


def _registered(name: str) -> Callable[..., nn.Module]:
    """Return the network that an installed package has registered under `name`."""
    found = [point for point in entry_points(group=ENTRY_POINTS) if point.name == name]
    if not found:
        raise UserError(
            f"The model card names an unknown network: {name}.",
            f"Known: {', '.join(sorted(NETWORKS))}; install the package that registers any other one.",
        )
    try:
        return cast(Callable[..., nn.Module], found[0].load())
    except Exception as error:  # somebody else's module may fail in any way as it is imported
        raise UserError(
            f"The network {name} cannot be loaded from {found[0].value}: {error}.",
            "Mend or install again the package that registers it.",
            repr(error),
        ) from error
