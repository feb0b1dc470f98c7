"""The .ui file and the icons: what Slicer's guidelines ask for and no screenshot shows."""

from __future__ import annotations

import importlib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tools.file_lists import MODULES, ROOT

CONTROLS = {"QComboBox", "QPushButton", "QCheckBox", "QDoubleSpinBox", "ctkSliderWidget", "ctkPathLineEdit",
            "qMRMLNodeComboBox", "QTableWidget", "QPlainTextEdit", "QProgressBar"}  # fmt: skip


def ui_root(module: str) -> ElementTree.Element:
    return ElementTree.parse(ROOT / module / "Resources" / "UI" / f"{module}.ui").getroot()


@pytest.mark.parametrize("module", MODULES)
def test_every_control_has_a_tool_tip(module: str) -> None:
    without = [
        element.get("name")
        for element in ui_root(module).iter("widget")
        if element.get("class") in CONTROLS and not element.findtext("property[@name='toolTip']/string")
    ]
    assert without == []


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("LesionSegmentation", {"brainMaskSelector", "segmentationSelector"}),
        ("MetastasisOutcome", {"brainMaskSelector", "lesionSelector"}),
        ("AttentionExplain", {"brainMaskSelector", "lesionSelector", "resultSelector", "regionsSelector"}),
    ],
)
def test_every_node_selector_gets_the_scene_by_signal(module: str, names: set[str]) -> None:
    root = ui_root(module)
    selectors = {e.get("name") for e in root.iter("widget") if e.get("class") == "qMRMLNodeComboBox"}
    connected = {c.findtext("receiver") for c in root.iter("connection")}
    assert selectors == connected == names


@pytest.mark.parametrize("module", MODULES)
def test_the_layout_ends_with_a_vertical_spacer(module: str) -> None:
    layout = ui_root(module).find("widget/layout")
    assert layout is not None
    spacer = layout.findall("item")[-1].find("spacer")
    assert spacer is not None
    assert spacer.findtext("property[@name='orientation']/enum") == "Qt::Vertical"


@pytest.mark.parametrize("fixture", ["filled", "outcome_filled", "explain_filled"])
def test_labels_that_get_escaped_text_are_rich_text(request: pytest.FixtureRequest, fixture: str) -> None:
    """Else Qt guesses, and shows `&#x27;` for an apostrophe where the text has no tag."""
    import qt

    panel = request.getfixturevalue(fixture)
    labels = [panel.ui.evidenceLabel, panel.ui.statusLabel, panel.ui.deviceLabel, panel.ui.findingsLabel]
    labels += [row.hint for row in panel.parts.rows.rows.values()]
    assert all(label.textFormat == qt.Qt.RichText for label in labels)


@pytest.mark.parametrize(
    ("module", "not_bound"),
    [
        ("LesionSegmentation", {"model", "settingsOf"}),
        ("MetastasisOutcome", {"model", "lesionPart"}),
        ("AttentionExplain", {"model", "lesionPart", "filledFrom", "method", "target", "surface", "device"}),
    ],
)
def test_every_bound_name_is_a_parameter_and_every_setting_is_bound(
    panel: Any, outcome_panel: Any, explain_panel: Any, module: str, not_bound: set[str]
) -> None:
    parameters = getattr(importlib.import_module(module), f"{module}ParameterNode").allParameters
    bound = {e.findtext("string") for e in ui_root(module).iter("property")
             if e.get("name") == "SlicerParameterName"}  # fmt: skip
    assert bound == set(parameters) - not_bound


@pytest.mark.parametrize("path", ["Resources/Icons/LesionLens.png"] + [f"{m}/Resources/Icons/{m}.png" for m in MODULES])
def test_icons_are_128_pixels_with_a_transparent_ground(path: str) -> None:
    image = Image.open(ROOT / path)
    assert image.size == (128, 128)
    assert image.mode == "RGBA"
    alpha = image.getchannel("A")
    assert alpha.getpixel((0, 0)) == 0
    assert alpha.getextrema() == (0, 255)


def test_the_icons_are_what_the_script_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tools import draw_icons

    monkeypatch.setattr(draw_icons, "ROOT", tmp_path)
    draw_icons.main()
    for name in draw_icons.ICONS:
        drawn, kept = Image.open(tmp_path / name), Image.open(ROOT / name)
        assert drawn.tobytes() == kept.tobytes(), f"{name}: run python Testing/tools/draw_icons.py"
