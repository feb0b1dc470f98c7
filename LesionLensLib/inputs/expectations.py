"""What the input check needs to know of a model, so that it does not depend on the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

FLUID, GREY, WHITE = "csf", "grey_matter", "white_matter"
_KNOWN_ORDERS = {
    "T1": (FLUID, GREY, WHITE),
    "T2": (WHITE, GREY, FLUID),
    "FLAIR": (FLUID, WHITE, GREY),
}


class ChannelLike(Protocol):
    """A channel of a model; `tissue_order` names the tissues from dark to bright, empty where the card is silent."""

    @property
    def role(self) -> str: ...
    @property
    def tissue_order(self) -> tuple[str, ...]: ...


class CardLike(Protocol):
    """The fields of a model card on which the input check relies."""

    @property
    def channel_def(self) -> Sequence[ChannelLike]: ...
    @property
    def spacing_range_mm(self) -> tuple[float, float]: ...
    @property
    def expects_skull_stripped(self) -> bool: ...


def tissue_orders(card: CardLike) -> dict[str, tuple[str, ...]]:
    """Return the tissue order of every channel that has one, by the card or else by the usual name of the contrast."""
    orders = {c.role: tuple(c.tissue_order) or _KNOWN_ORDERS.get(c.role, ()) for c in card.channel_def}
    return {role: order for role, order in orders.items() if set(order) == {FLUID, GREY, WHITE}}
