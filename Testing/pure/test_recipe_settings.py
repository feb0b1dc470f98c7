"""Settings of a recipe: other names and other kinds of values are refused in words that help."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from LesionLensLib.errors import UserError
from LesionLensLib.training.settings import checked_settings


@dataclass(frozen=True)
class Settings:
    epochs: int = 1
    rate: float = 0.1
    balanced: bool = False
    rule: str = "plain"
    box: tuple[float, float, float] = (1.0, 1.0, 1.0)
    roles: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)


def test_settings_of_the_right_kind_become_arguments() -> None:
    text = "{epochs: 3, rate: 1, balanced: true, box: [48, 48.5, 48], roles: [T1c, FLAIR], card: {id: a}}"
    assert Settings(**checked_settings(yaml.safe_load(text), Settings, "recipe")) == Settings(
        3, 1, True, "plain", (48, 48.5, 48), ("T1c", "FLAIR"), {"id": "a"}
    )


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("epochs: many", "has 'many' as epochs, which is not a whole number.", "Correct epochs."),
        ("epochs: 2.5", "has 2.5 as epochs, which is not a whole number.", "Correct epochs."),
        ("epochs: true", "has True as epochs, which is not a whole number.", "Correct epochs."),
        ("rate: 1e-3", "has '1e-3' as rate, which is not a number.", "Write 0.001: without a point before its e"),
        ("balanced: 1", "has 1 as balanced, which is not true or false.", "Correct balanced."),
        ("rule: 3", "has 3 as rule, which is not text.", "Correct rule."),
        ("box: [48, 48]", "as box, which is not a list of 3, each of it a number.", "Correct box."),
        ("roles: T1c", "has 'T1c' as roles, which is not a list, each of it text.", "Correct roles."),
        ("card: [a]", "as card, which is not a mapping of `name: value`.", "Correct card."),
        ("epoch: 3", "has no setting called epoch.", "Use one of: balanced, box, card, epochs"),
    ],
)
def test_what_is_no_such_setting_is_refused(text: str, message: str, remedy: str) -> None:
    with pytest.raises(UserError) as caught:
        checked_settings(yaml.safe_load(text), Settings, "recipe")
    assert message in caught.value.message
    assert caught.value.remedy.startswith(remedy)
