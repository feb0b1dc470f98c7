"""All text that a user of the panels reads goes through the translation call, in a form that translators can use."""

from __future__ import annotations

import ast
import re
import string
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("LesionSegmentation", "MetastasisOutcome", "AttentionExplain")
SOURCES = sorted(
    [*(ROOT / "LesionLensLib" / "panel").glob("*.py")]
    + [path for name in MODULES for path in (ROOT / name / f"{name}.py", *(ROOT / name / f"{name}Lib").glob("*.py"))]
)
PANELS = [ROOT / name / "Resources" / "UI" / f"{name}.ui" for name in MODULES]
TRANSLATE = ("_", "translate")
# What widgets show: attributes that are set, and calls that take the text itself.
SHOWN_ATTRIBUTES = {
    "text", "toolTip", "title", "helpText", "acknowledgementText", "windowTitle", "placeholderText", "statusTip",
    "suffix", "prefix", "specialValueText", "applyToolTip",
}  # fmt: skip
SHOWING_CALLS = {
    "QLabel", "QPushButton", "QCheckBox", "addItem", "setText", "setToolTip", "setTitle", "appendPlainText",
    "UserError", "EnvironmentFault", "InternalFault", "Cancelled", "infoDisplay", "errorDisplay", "delayDisplay",
    "confirmOkCancelDisplay", "confirmYesNoDisplay", "tryWithErrorDisplay", "showStatusMessage",
}  # fmt: skip
# Texts that are no sentences to a user: logs, and what only a developer meets.
UNSEEN_CALLS = {"debug", "info", "warning", "error", "exception", "ImportError", "skipTest", "ValueError"}
# A person's name is none to translate; sample nodes keep their names in saved scenes.
NAMES = {"The LesionLens maintainers (LesionLens)", "Sample head", "Sample thigh", "Sample thigh tumour"}
TWO_WORDS = re.compile(r"[A-Za-z]{2,}[,;:]?\s+[A-Za-z]{2,}")
LETTERS = re.compile(r"[A-Za-z]{2,}")


class Source:
    """The syntax tree of a file, and for every node the nodes around it."""

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        self.around = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def outward(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self.around:
            node = self.around[node]
            yield node

    def texts(self) -> Iterator[ast.Constant]:
        """Yield every string but docstrings."""
        for node in ast.walk(self.tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and not isinstance(self.around[node], ast.Expr):
                yield node

    def translations(self) -> Iterator[ast.Call]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and called(node) in TRANSLATE and isinstance(node.func, ast.Name):
                yield node


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def untranslated(text: str) -> list[str]:
    """Return line and text of everything a user reads that does not go through the translation call."""
    source, found = Source(text), []
    for node in source.texts():
        plain = re.sub(r"<[^>]*>?|[^<]*>", " ", node.value) if "<" in node.value or ">" in node.value else node.value
        calls = [called(one) for one in source.outward(node) if isinstance(one, ast.Call)]
        if node.value in NAMES or set(calls) & (set(TRANSLATE) | UNSEEN_CALLS) or not LETTERS.search(plain):
            continue
        if any(isinstance(one, ast.Compare) for one in source.outward(node)):
            continue  # a value that is looked for, as a name in a report
        if TWO_WORDS.search(plain) or is_shown(source, node):
            found.append(f"{node.lineno}: {node.value}")
    return found


def is_shown(source: Source, node: ast.Constant) -> bool:
    """Whether a word goes straight to a widget or into an error."""
    within: ast.AST = node
    for outer in source.outward(node):
        if isinstance(outer, ast.Call):
            return called(outer) in SHOWING_CALLS and within in outer.args
        if isinstance(outer, ast.Assign):
            targets = [one for target in outer.targets for one in ast.walk(target)]
            names = {getattr(target, "attr", getattr(target, "id", "")) for target in targets}
            return bool(names & SHOWN_ATTRIBUTES)
        if isinstance(outer, (ast.Subscript, ast.Dict, ast.stmt)):
            return False
        within = outer
    return False


def unusable(text: str) -> list[str]:
    """Return line and fault of translation calls whose text no translator gets, or whose places are not named."""
    source, found = Source(text), []
    for call in source.translations():
        given = call.args[-1]
        if not (isinstance(given, ast.Constant) and isinstance(given.value, str)):
            found.append(f"{call.lineno}: not a text but something computed")
            continue
        places = {name for _, name, _, _ in string.Formatter().parse(given.value) if name is not None}
        if any(not name.isidentifier() for name in places):
            found.append(f"{call.lineno}: places without a name")
        outer = source.around[call]
        if isinstance(outer, ast.Attribute) and outer.attr == "format":
            formatted = source.around[outer]
            assert isinstance(formatted, ast.Call)
            names = {keyword.arg for keyword in formatted.keywords}
            if formatted.args or (None not in names and not places <= names):
                found.append(f"{call.lineno}: places and values differ")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_of_a_panel_escapes_translation(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert untranslated(text) == []
    assert unusable(text) == []


@pytest.mark.parametrize("path", PANELS, ids=lambda path: path.stem)
def test_the_texts_of_a_ui_file_are_for_translators_and_its_names_are_not(path: Path) -> None:
    faults, seen = [], 0
    for element in ElementTree.parse(path).iter("property"):
        name, texts = element.get("name") or "", [*element.iter("string")]
        if name in ("SlicerParameterName", "nodeTypes"):
            lists = [*element.iter("stringlist")]
            faults += [f"{name} {one.text}" for one in (lists or texts) if one.get("notr") != "true"]
        elif name in SHOWN_ATTRIBUTES:
            seen += len(texts)
            kept = [one.text or "" for one in texts if one.get("notr") == "true"]
            faults += [f"{name} {text}" for text in kept if LETTERS.search(text)]
    assert faults == []
    assert seen > 40


@pytest.mark.parametrize(
    "line",
    [
        'label.text = "Ready"',
        'label.text = f"Found {count}"',
        'label.text = "Ready" if done else ""',
        'label = qt.QLabel("Ready")',
        'raise UserError(_("One."), "Two")',
        'return "There is no such model."',
        'label.text = _("Found") + " lesions in all"',
        'x = {"a": "Trained on images."}',
        'markup = f"<b>No image</b> {name}"',
    ],
)
def test_a_text_that_escapes_is_found(line: str) -> None:
    assert len(untranslated(f"def f():\n    {line}\n")) == 1


@pytest.mark.parametrize(
    "line",
    [
        '_(f"Found {count}")',
        "_(message)",
        '_("Found {}").format(2)',
        '_("Found {count}").format(number=2)',
        '_("Found %s" % 2)',
    ],
)
def test_a_translation_that_cannot_work_is_found(line: str) -> None:
    assert unusable(f"def f():\n    return {line}\n") != []


@pytest.mark.parametrize(
    "line",
    [
        'label.text = _("Ready")',
        'label.objectName = "channelMark"',
        'logging.error("it went wrong: %s", error)',
        'node.SetAttribute("LesionLens.Part", "core")',
        'label.text = f\'<font color="red">{markup}</font>\'',
        'told = _("Found {count}").format(count=2)',
    ],
)
def test_what_is_translated_or_nobody_reads_is_let_through(line: str) -> None:
    assert untranslated(f"def f():\n    {line}\n") == unusable(f"def f():\n    {line}\n") == []
