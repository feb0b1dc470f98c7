"""What would fail after hours of training is said before its first minute: a card nobody could read, no network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from LesionLensLib.card_schema import card_from_record
from LesionLensLib.errors import UserError
from LesionLensLib.inference.pet_ct_input import LESION
from LesionLensLib.model_card import CARD_SCHEMA, ModelCard
from LesionLensLib.training.export import WEIGHTS_FILE
from LesionLensLib.training.outcome.kind import ModelKind
from LesionLensLib.training.outcome.trained_row import CaseT, RecipeT

EVIDENCE = {"real-data": "outcomes that patients had", "simulated": "outcomes that were made up"}


def check_recipe(kind: ModelKind[RecipeT, CaseT], recipe: RecipeT) -> None:
    """Raise `UserError` for a row whose card could not be read as that of an outcome model, or without a network."""
    for name in recipe.row_names():
        row = recipe.row(name)
        kind.make_network(row)
        check_card(kind.card(row), kind.roles(row))


def check_card(record: Mapping[str, Any], roles: tuple[str, ...]) -> None:
    """Raise `UserError` for a card, still without weights, that prediction could not use with images of `roles`."""
    weights = {"file": WEIGHTS_FILE, "sha256": "0" * 64, "bytes": 0}
    try:
        card = card_from_record({"schema": CARD_SCHEMA, **record, "weights": weights}, Path())
    except UserError as error:
        what = error.message.removeprefix("The model card is wrong: ")
        remedy = "Correct it below card: in the recipe; the recipes in Resources/Recipes have whole ones."
        raise UserError(f"The card in the recipe is wrong: {what}", remedy) from error
    if card.outcome is None:
        raise UserError(
            "The card in the recipe names no outcome.",
            "Write outcome: {event: local failure, classes: [local control, local failure]} below card:.",
        )
    if card.evidence not in EVIDENCE:
        words = " or ".join(f"evidence: {word} ({meaning})" for word, meaning in EVIDENCE.items())
        raise UserError("The card in the recipe does not say what the outcomes are.", f"Write {words} below card:.")
    _check_channels(card, roles)


def _check_channels(card: ModelCard, roles: tuple[str, ...]) -> None:
    named, wanted = ([role for role in some if role != LESION] for some in (card.roles, roles))
    if named != wanted:
        raise UserError(
            f"The card in the recipe has the channels {', '.join(named)}, the network {', '.join(wanted)}.",
            "Name the same channels in the same order under roles and under channel_def of the card.",
        )
