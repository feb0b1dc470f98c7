"""Networks kept from case to case: the same ones for the same card, and never those of a file that is damaged now."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from LesionLensLib.catalogue import read_card
from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.inference.folding import fold_networks
from LesionLensLib.inference.kept_networks import folded_networks
from LesionLensLib.inference.network import NETWORKS
from LesionLensLib.inference.outcome_network import load_outcome_networks
from LesionLensLib.inference.outcome_pass import ask_networks


@pytest.fixture
def model(tiny_outcome_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return Path(shutil.copytree(tiny_outcome_model, tmp_path / "model"))


def test_a_second_case_asks_the_very_networks_of_the_first_and_they_answer_as_fresh_ones(model: Path) -> None:
    card = read_card(model)
    kept = folded_networks(card)
    x = torch.rand((1, 2, 16, 16, 16), generator=torch.Generator().manual_seed(7))
    first = ask_networks(kept.final, x, kept.views, at_once=1)
    again = folded_networks(read_card(model))
    assert again is kept
    fresh = fold_networks(load_outcome_networks(card))
    for networks in (again, fresh):
        assert ask_networks(networks.final, x, networks.views, at_once=1).logit == first.logit


def test_weights_damaged_since_the_last_case_are_not_answered_from_memory(model: Path) -> None:
    card = read_card(model)
    folded_networks(card)
    content = bytearray(card.weights_path.read_bytes())
    content[-1] ^= 1
    card.weights_path.write_bytes(content)
    with pytest.raises(EnvironmentFault, match="damaged"):
        folded_networks(card)


def test_a_network_that_nobody_offers_any_more_is_not_answered_from_memory(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = read_card(model)
    folded_networks(card)
    monkeypatch.delitem(NETWORKS, str(card.network["name"]))
    with pytest.raises(UserError, match="unknown network"):
        folded_networks(card)


def test_a_card_that_asks_for_other_networks_gets_others(model: Path) -> None:
    card = read_card(model)
    kept = folded_networks(card)
    assert card.outcome is not None
    views = 2 if card.outcome.ensemble.views == 1 else 1
    outcome = replace(card.outcome, ensemble=replace(card.outcome.ensemble, views=views))
    other = folded_networks(replace(card, outcome=outcome))
    assert other is not kept
    assert other.views == views
