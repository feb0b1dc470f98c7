"""From the card of an outcome model to its networks: the final ones, and those of the cross-validation's folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from LesionLensLib.catalogue import load_weights
from LesionLensLib.errors import UserError
from LesionLensLib.inference.network import build_network
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome_card import OutcomeCard

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

    Raises `UserError` where the card predicts no outcome or describes another number or kind of networks than the
    weights file holds, and `EnvironmentFault` where that file is damaged.
    """
    ensemble = outcome_of(card).ensemble
    members, folds = ensemble.members, ensemble.folds
    weights = load_weights(card)
    own = {n: t for n, t in weights.items() if not n.startswith((FINAL_PREFIX, FOLD_PREFIX))}
    others = [_below(weights, f"{FINAL_PREFIX}{member}.") for member in range(1, members)]
    final = tuple(_network(card, part) for part in (own, *others))
    by_fold = tuple(
        tuple(_network(card, _below(weights, f"{FOLD_PREFIX}{fold}.{member}.")) for member in range(members))
        for fold in range(folds)
    )
    return OutcomeNetworks(final, by_fold, ensemble.views)


def outcome_of(card: ModelCard) -> OutcomeCard:
    """Return what the card says about the outcome; raises `UserError` for a model that predicts none."""
    if card.outcome is None:
        raise UserError(
            f"The model {card.id} predicts no outcome.", "Name an outcome model with --model (see lesionlens models)."
        )
    return card.outcome


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
