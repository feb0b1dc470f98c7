"""From the card of an outcome model to its networks: the final ones, and those of the cross-validation's folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from LesionLensLib.catalogue import load_weights
from LesionLensLib.errors import UserError
from LesionLensLib.inference.network import build_network
from LesionLensLib.model_card import ModelCard

FINAL_PREFIX = "final."
FOLD_PREFIX = "fold."


@dataclass(frozen=True)
class OutcomeNetworks:
    """Networks in evaluation mode: `final` learned from all patients, `folds[k]` from all but those of fold k.

    Each is a tuple of the networks of different seeds whose logits are averaged; `views` is over how many mirrored
    copies of a case they are averaged as well.
    """

    final: tuple[nn.Module, ...]
    folds: tuple[tuple[nn.Module, ...], ...]
    views: int = 1


def load_outcome_networks(card: ModelCard) -> OutcomeNetworks:
    """Return the card's networks with their weights in fp32 on the CPU.

    Raises `UserError` where the card describes another number or kind of networks than the weights file holds, and
    `EnvironmentFault` where that file is damaged.
    """
    weights = load_weights(card)
    ensemble = card.extra.get("ensemble", {"members": 1, "folds": 0})
    try:
        members, folds, views = (int(ensemble.get(name, 1)) for name in ("members", "folds", "views"))
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError("The model card is wrong: ensemble.", "Get the model again.", str(error)) from error
    own = {n: t for n, t in weights.items() if not n.startswith((FINAL_PREFIX, FOLD_PREFIX))}
    others = [_below(weights, f"{FINAL_PREFIX}{member}.") for member in range(1, members)]
    final = tuple(_network(card, part) for part in (own, *others))
    by_fold = tuple(
        tuple(_network(card, _below(weights, f"{FOLD_PREFIX}{fold}.{member}.")) for member in range(members))
        for fold in range(folds)
    )
    return OutcomeNetworks(final, by_fold, views)


def _below(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _network(card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    network = build_network(card.network)
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise UserError(
            f"The weights of {card.id} do not fit the networks its card describes.",
            "Correct network and ensemble in card.json, or get the model again.",
            str(error),
        ) from error
    return network.eval()
