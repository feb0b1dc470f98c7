"""The parts of a model's CARD.md that everybody should read before they use it, for a narrow panel."""

from __future__ import annotations

import re

from LesionLensLib.model_card import ModelCard

CARD_PAGE = "CARD.md"
SECTIONS = ("What it learned from", "How good it is", "Where it may fail")
_RULE = re.compile(r"\|(\s*:?-+:?\s*\|)+")


def essentials(card: ModelCard) -> str:
    """Return Markdown: what the model learned from, its figures and limits, then licence and citation.

    Tables become lists, since a panel is too narrow for them. A model without a `CARD.md` has what its card says.
    """
    page = card.folder / CARD_PAGE
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    parts = [f"### {name}\n\n{plain(section(text, name))}" for name in SECTIONS if section(text, name)]
    if not parts:
        parts = [line for line in (card.description, card.data_source) if line]
    parts.append(f"### Licence and citation\n\nWeights: {card.licence or 'not stated'}. {card.citation}")
    return "\n\n".join(parts)


def section(text: str, name: str) -> str:
    """Return what stands below the second-level heading `name`, or an empty text."""
    found = re.search(rf"^## {re.escape(name)}$\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return found[1].strip() if found else ""


def plain(markdown: str) -> str:
    """Return the text with its tables as lists and its links, which lead nowhere from a panel, as their words."""
    blocks = re.split(r"\n{2,}", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", markdown))
    return "\n\n".join(_as_list(block) if block.startswith("|") else block for block in blocks)


def _as_list(table: str) -> str:
    """Return a list with an item for each row: the first cell in bold, then every filled cell after its heading."""
    head, *rows = [_cells(line) for line in table.splitlines() if not _RULE.fullmatch(line.strip())]
    return "\n".join(f"- {_item(head, row)}" for row in ([head, *rows] if not any(head) and not rows else rows))


def _item(head: list[str], row: list[str]) -> str:
    first = f"**{row[0].replace('**', '')}**"
    rest = [f"{name} {cell}".strip() for name, cell in zip(head[1:], row[1:], strict=False) if cell]
    return f"{first}: {'; '.join(rest)}" if rest else first


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
