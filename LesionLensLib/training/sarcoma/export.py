"""The card of a sarcoma model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe


def outcome_card(recipe: OutcomeRecipe, folds: int) -> Mapping[str, Any]:
    """Return the card of the recipe's network, without its weights."""
    spacing = [recipe.spacing_mm] * 3
    return {
        **recipe.card,
        "task": recipe.task,
        "network": {"name": "chmfl", "variant": recipe.network, **recipe.options},
        "spacing_mm": spacing,
        "field_mm": list(recipe.field_mm),
        "normalization": recipe.normalization,
        "ensemble": {"members": recipe.members, "folds": folds, "views": recipe.views},
    }
