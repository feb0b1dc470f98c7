"""From the card of an outcome model to its networks: the final ones, and those of the cross-validation's folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from LesionLensLib.catalogue import load_weights
from LesionLensLib.errors import UserError
from LesionLensLib.inference.network import build_network
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome_card import OutcomeCard

FINAL_PREFIX = "final."
FOLD_PREFIX = "fold."
DECODER_PREFIX = "decoder."
"""What outlines the lesion in a CHMFL; on disk the networks of the folds lack it, since they only say the outcome."""


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
    final = tuple(_network(card, part, card.network) for part in (own, *others))
    in_folds = _description_in_folds(card, weights)
    by_fold = tuple(
        tuple(_network(card, _below(weights, f"{FOLD_PREFIX}{fold}.{member}."), in_folds) for member in range(members))
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


def _description_in_folds(card: ModelCard, weights: Mapping[str, Tensor]) -> Mapping[str, Any]:
    """Return how the networks of the folds are built: without the decoder where only the final ones have one."""
    decoders = [name for name in weights if f".{DECODER_PREFIX}" in f".{name}"]
    only_final = decoders and not any(name.startswith(FOLD_PREFIX) for name in decoders)
    return {**card.network, "decoder": False} if only_final else card.network


def _network(card: ModelCard, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> nn.Module:
    network = build_network(description)
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise UserError(
            f"The weights of {card.id} do not fit the networks its card describes.",
            "Correct network and ensemble in card.json, or get the model again.",
            str(error),
        ) from error
    return network.eval()
