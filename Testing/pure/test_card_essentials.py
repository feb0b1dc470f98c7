"""What a panel shows of CARD.md: figures and limits, tables as lists, no links that lead nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import tiny_card

from LesionLensLib.card_essentials import SECTIONS, essentials, plain, section
from LesionLensLib.card_schema import card_from_record
from LesionLensLib.catalogue import list_cards, read_card
from LesionLensLib.model_card import ModelCard

SHIPPED = Path(__file__).resolve().parents[2] / "Resources" / "Models"
PAGE = """# a model

## What it learned from
| | |
|---|---|
| patients | **two**: a and b |

## How good it is
Some words, see [the table](tables.md).

| row | AUC (95 %) | Dice |
|---|---|---|
| **ours** (shipped) | 0.73 (0.57 to 0.89) | |
| none | | 0.5 |

After it.

## The paper and this network
Not for the panel.
"""


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    (tmp_path / "CARD.md").write_text(PAGE, encoding="utf-8")
    return replace(card_from_record(tiny_card(), tmp_path), licence="CC0", citation="Nobody 2026.")


def test_tables_become_lists_with_the_headings_at_every_figure(card: ModelCard) -> None:
    text = essentials(card)
    assert "- **patients**: **two**: a and b" in text
    assert "- **ours (shipped)**: AUC (95 %) 0.73 (0.57 to 0.89)\n- **none**: Dice 0.5\n" in text
    assert "|" not in text


def test_only_what_everybody_should_read_is_shown_in_the_order_of_the_page(card: ModelCard) -> None:
    text = essentials(card)
    assert text.index("What it learned from") < text.index("How good it is") < text.index("Weights: CC0. Nobody 2026.")
    assert "Some words, see the table." in text
    assert "After it." in text
    assert "Not for the panel" not in text
    assert "Where it may fail" not in text, "the page has no such section"


def test_a_model_without_a_page_shows_what_its_card_says(tmp_path: Path) -> None:
    text = essentials(card_from_record(tiny_card(), tmp_path))
    assert "random numbers" in text
    assert "Weights: Apache-2.0." in text


def test_the_cards_of_all_shipped_models_have_the_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESIONLENS_MODELS", raising=False)
    cards = list_cards()
    assert len(cards) >= 3
    for card in cards:
        page = (card.folder / "CARD.md").read_text(encoding="utf-8")
        assert [name for name in SECTIONS if not section(page, name)] == [], card.id
        assert "|" not in plain(section(page, "How good it is")), card.id


def test_the_sarcoma_model_is_shown_beside_the_baseline_that_beats_it() -> None:
    text = essentials(read_card(SHIPPED / "chmfl-sarcoma"))
    assert "- **CHMFL, the shipped one**: patients (events) 42 (16); AUC (95 %) 0.73 (0.57 to 0.89);" in text
    assert "SUVmax, no network" in text
