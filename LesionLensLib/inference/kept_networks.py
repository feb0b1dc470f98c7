"""Outcome networks ready for inference, kept from case to case: a worker of a cohort asks the same ones all day.

To load and fold the ten networks of a CHMFL took 0.15 s of processor time, as long as reading and asking a small case.
"""

from __future__ import annotations

from collections.abc import Hashable

from LesionLensLib.catalogue import verify_weights
from LesionLensLib.inference.folding import fold_networks
from LesionLensLib.inference.network import maker_of
from LesionLensLib.inference.outcome_network import OutcomeNetworks, load_outcome_networks, outcome_of
from LesionLensLib.model_card import ModelCard

_kept: dict[Hashable, OutcomeNetworks] = {}


def folded_networks(card: ModelCard) -> OutcomeNetworks:
    """Return the card's networks, folded; the same objects as the last time where the card asks for the same ones.

    They are for asking alone: nobody may change them but for the device they are on. Weights that are damaged now are
    never answered from memory, nor are networks of a package that is gone; raises as `load_outcome_networks` does.
    """
    key = (maker_of(card.network), repr(card.network), repr(outcome_of(card).ensemble), card.weights.sha256)
    if key not in _kept or not verify_weights(card):
        _kept.clear()
        _kept[key] = fold_networks(load_outcome_networks(card))
    return _kept[key]
