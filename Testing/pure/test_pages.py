"""README and docs: what they link to is there, and pictures are large enough to read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")
LEAST_WIDTH, MOST_BYTES = 1280, 700_000


def links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [target for target in LINK.findall(text) if not target.startswith("http")]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    broken = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_readme_or_from_a_page_it_links_to() -> None:
    reached = {ROOT / "README.md"}
    for _ in PAGES:
        reached |= {(page.parent / link.partition("#")[0]).resolve()
                    for page in reached if page.suffix == ".md" for link in links(page)}  # fmt: skip
    assert [page.name for page in PAGES if page not in reached] == []


def test_the_pictures_are_readable_and_small() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page) if link.endswith(".png")}
    assert len(shown) >= 6, "three panels and three results"
    for path in shown:
        with Image.open(path) as picture:
            assert picture.width >= LEAST_WIDTH, path.name
        assert path.stat().st_size <= MOST_BYTES, path.name
