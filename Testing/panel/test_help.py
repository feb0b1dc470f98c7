"""Help inside the panels: tool tips on every control, the module's help in steps, the essentials of the model card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools.file_lists import ROOT

PANELS = {"LesionSegmentation": "filled", "MetastasisOutcome": "outcome_filled", "AttentionExplain": "explain_filled"}


def controls(widget: Any) -> Iterator[Any]:
    """Give every control below a widget; what a control is made of belongs to it."""
    import ctk
    import qt
    import slicer

    kinds = (qt.QAbstractButton, qt.QComboBox, qt.QAbstractSpinBox, qt.QAbstractSlider, qt.QLineEdit, qt.QProgressBar,
             qt.QAbstractItemView, qt.QTextEdit, qt.QPlainTextEdit, slicer.qMRMLNodeComboBox, ctk.ctkSliderWidget,
             ctk.ctkPathLineEdit)  # fmt: skip
    for child in widget.children():
        if isinstance(child, kinds):
            yield child
        elif isinstance(child, qt.QWidget):
            yield from controls(child)


@pytest.mark.parametrize("module", PANELS)
def test_every_control_that_a_panel_shows_has_a_tool_tip(request: pytest.FixtureRequest, module: str) -> None:
    """Those of the .ui file and those made in code: the rows of the images and the section about the model."""
    panel = request.getfixturevalue(PANELS[module])
    found = list(controls(panel.parent))
    names = [control.objectName for control in found]
    assert any(name.startswith("channelSelector_") for name in names), "controls made in code are walked too"
    assert panel.parts.about.browser in found
    assert len(found) > 15
    assert [name or type(control).__name__ for name, control in zip(names, found, strict=True)
            if not control.toolTip] == []  # fmt: skip


@pytest.mark.parametrize("module", PANELS)
def test_the_help_of_every_module_has_three_to_five_steps_and_pages_that_exist(
    request: pytest.FixtureRequest, module: str
) -> None:
    from Testing.stand_in import PanelHost

    request.getfixturevalue(PANELS[module])
    host = PanelHost(module)
    text = host.description.parent.helpText
    buttons = {control.text for control in controls(host.parent) if hasattr(control, "text")}
    host.close()
    assert 3 <= text.count("<li>") <= 5
    assert "research use only" in text.lower()
    pages = re.findall(r'href="https://github.com/LesionLens/SlicerLesionLens/blob/main/(docs/\w+\.md)"', text)
    assert pages == ["docs/tutorial.md", "docs/console.md", "docs/troubleshooting.md"]
    assert all((ROOT / page).is_file() for page in pages)
    elsewhere = {"Cancel", "About this model"} | ({"Explain this"} if module == "AttentionExplain" else set())
    named = set(re.findall(r"<i>(.*?)</i>", text)) - elsewhere
    assert named <= buttons, "the help speaks of buttons as they are called"


def test_the_section_about_the_model_is_closed_at_first_and_shows_the_card_when_opened(
    outcome_panel: Any, outcome_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = outcome_panel.parts.about
    assert about.section.collapsed
    assert about.browser.toPlainText() == "", "nothing is read before somebody wants to see it"
    folder = outcome_panel.parts.card("tiny-chmfl").folder
    (folder / "CARD.md").write_text("# x\n\n## How good it is\n\n| row | AUC |\n|---|---|\n| ours | 0.61 |\n")
    try:
        about.section.collapsed = False
        text = about.browser.toPlainText()
    finally:
        (folder / "CARD.md").unlink()
    assert text.startswith(outcome_panel.parts.card("tiny-chmfl").title)
    assert "ours: AUC 0.61" in text
    assert "Weights: " in text
    assert "The whole card" in text


def test_the_section_about_the_model_follows_the_chosen_model_and_goes_without_one(
    explain_panel: Any, tiny_model: Path
) -> None:
    panel, about = explain_panel, explain_panel.parts.about
    about.section.collapsed = False
    panel.ui.modelFolderEdit.currentPath = str(tiny_model)
    panel.ui.modelSelector.setCurrentIndex(panel.ui.modelSelector.findData("tiny-ms"))
    assert about.browser.toPlainText().startswith("Untrained network for tests, version 0.0.1")
    panel._parameterNode.model = "not-installed"
    assert not about.section.visible
    panel.ui.modelFolderEdit.currentPath = ""
