"""docs/troubleshooting.md: every heading is a message that the code shows, and what panels say has an entry."""

from __future__ import annotations

import re

from pure.messages_in_source import ROOT, messages

PAGE = ROOT / "docs" / "troubleshooting.md"
# Users of the panels never meet these: training, cohorts, the command line's own, what only a broken call can cause.
ELSEWHERE = ("LesionLensLib/training/", "LesionLensLib/cohort/", "LesionLensLib/cli/")
PANEL_SENTENCES = ("InputChecks.py", "LesionPlace.py", "NodeFiles.py", "PanelRun.py", "SampleSources.py")


def entries() -> dict[str, str]:
    """Return what the page says below each message."""
    parts = re.split(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    bodies = [re.split(r"^## ", body, flags=re.M)[0].strip() for body in parts[2::2]]
    return dict(zip((heading.strip() for heading in parts[1::2]), bodies, strict=True))


def met_in_the_panels() -> set[str]:
    """Return the messages that need an entry: lacks of the computer, errors of the input check, refusals of nodes."""
    needed, remedies = set(), {message.text for message in messages() if message.kind == "remedy"}
    for message in messages():
        if message.file.startswith(ELSEWHERE) or message.text in remedies:
            continue
        of_panel = message.file.startswith("LesionLensLib/panel/")
        is_sentence = message.text.endswith(".") and message.text.count(" ") > 2
        says_why = message.kind == "text" and message.file.endswith(PANEL_SENTENCES) and is_sentence
        is_error = message.kind == "error" and message.file.startswith("LesionLensLib/inputs/")
        if message.kind == "EnvironmentFault" or (message.kind == "UserError" and of_panel) or is_error or says_why:
            needed.add(message.text)
    return needed


def test_every_heading_is_a_message_that_the_code_shows() -> None:
    shown = {message.text for message in messages() if message.kind != "remedy"}
    assert [heading for heading in entries() if heading not in shown] == []


def test_what_users_of_the_panels_meet_has_an_entry() -> None:
    needed = met_in_the_panels()
    assert len(needed) > 40, "the source is read"
    assert sorted(needed - set(entries())) == []


def test_every_entry_says_something_of_its_own_and_none_comes_twice() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("\n### ") == len(entries())
    assert [heading for heading, body in entries().items() if len(body) < 40] == []


def test_the_readers_of_messages_find_varying_parts() -> None:
    texts = {message.text for message in messages()}
    assert "The weights of \u2026 are damaged or were changed: their hash differs." in texts
    assert "Pictures cannot be drawn: no OpenGL renderer works on this computer." in texts, "a named constant"
    assert "Choose the image for \u2026." in texts, "a text that is translated and then filled in"
