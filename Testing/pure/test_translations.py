"""What a user of the panels and of the scene reads goes through the translation call, in a form translators can use."""

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
# What these say only programs, the console and the error log show.
UNSEEN_FILES = {"__init__", "__main__", "bundle", "compare", "renderer", "stand_alone", "start"}
SCENE = sorted(path for path in (ROOT / "LesionLensLib" / "scene").glob("*.py") if path.stem not in UNSEEN_FILES)
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
# What names something in the scene: where, among its arguments, the texts stand that a user reads.
NAMING_CALLS = {
    "SetTitle": (0,), "SetXAxisTitle": (0,), "SetYAxisTitle": (0,), "SetTitleText": (0,), "SetName": (0,),
    "SetDescription": (0,), "SetColumnDescription": (1,), "set_column_title": (2,), "AddNewNodeByClass": (1,),
    "GenerateUniqueName": (0,), "GenerateUniqueItemName": (0,), "CreateFolderItem": (1,), "add_folder": (0,),
    "add_volume": (1,), "add_segmentation": (1,), "load_segments": (1,), "add_report": (1, 2), "of": (0,),
    "add_lesion_table": (1,), "add_region_table": (1,), "add_side_table": (1,), "add_context_surface": (1,),
    "style_impact": (2,), "color_model": (2,), "Series": (0,), "Column": (0, 1),
}  # fmt: skip
NAMING_KEYWORDS = {"name", "title", "description"}
# Messages of the library are in English wherever it runs, as its reports are.
LIBRARY_ERRORS = {"UserError", "EnvironmentFault", "InternalFault", "OSError"}
# Looked up again: the name of a table's column, Slicer's name of a parameter.
SCENE_KEYS = {"left less right", "Smoothing factor"}
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


def untranslated(text: str, unseen: frozenset[str] | set[str] = frozenset(UNSEEN_CALLS)) -> list[str]:
    """Return line and text of what a user reads and does not go through the translation call; not in `unseen` calls."""
    source, found = Source(text), []
    for node in source.texts():
        plain = re.sub(r"<[^>]*>?|[^<]*>", " ", node.value) if "<" in node.value or ">" in node.value else node.value
        calls = [called(one) for one in source.outward(node) if isinstance(one, ast.Call)]
        if node.value in NAMES or set(calls) & (set(TRANSLATE) | unseen) or not LETTERS.search(plain):
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


def unnamed(text: str) -> list[str]:
    """Return line and text of every name, title or description in the scene that is not translated."""
    source, found = Source(text), []
    for call in ast.walk(source.tree):
        if isinstance(call, ast.Call) and called(call) in NAMING_CALLS:
            given = [call.args[place] for place in NAMING_CALLS[called(call)] if place < len(call.args)]
            given += [keyword.value for keyword in call.keywords if keyword.arg in NAMING_KEYWORDS]
            found += [f"{node.lineno}: {node.value}" for one in given for node in words_in(source, one)]
    return found


def words_in(source: Source, given: ast.expr) -> Iterator[ast.Constant]:
    """Yield the texts in an expression, and in what was assigned to its names, that no translation call holds."""
    names = {node.id for node in ast.walk(given) if isinstance(node, ast.Name)}
    assigned = [one for one in ast.walk(source.tree) if isinstance(one, ast.Assign)]
    values = [one.value for one in assigned if any(getattr(target, "id", "") in names for target in one.targets)]
    for root in (given, *values):
        for node in ast.walk(root):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and LETTERS.search(node.value)
            if is_text and not is_key_or_translated(source, node, root):
                yield node


def is_key_or_translated(source: Source, node: ast.AST, root: ast.expr) -> bool:
    """Whether a text below `root` is what is looked up in a mapping, or goes through the translation call."""
    within = node
    while within is not root:
        outer = source.around[within]
        if isinstance(outer, ast.Subscript) and within is outer.slice:
            return True
        if isinstance(outer, ast.Dict) and within in outer.keys:
            return True
        if isinstance(outer, ast.Call) and called(outer) in TRANSLATE:
            return True
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
        if any(isinstance(one, ast.JoinedStr) for one in source.outward(call)):
            found.append(f"{call.lineno}: inside another text, where those who collect the texts do not look")
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


@pytest.mark.parametrize("path", SCENE, ids=lambda path: path.stem)
def test_no_name_or_title_in_the_scene_escapes_translation(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    sentences = untranslated(text, UNSEEN_CALLS | LIBRARY_ERRORS)
    assert [one for one in sentences if one.partition(": ")[2] not in SCENE_KEYS] == []
    assert unnamed(text) == []
    assert unusable(text) == []
    if any(Source(text).translations()):
        assert "from LesionLensLib.scene.words import _\n" in text


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
        'f"[{_(\'Found\')}]"',
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


@pytest.mark.parametrize(
    "line",
    [
        'chart.SetTitle("Risk")',
        'chart.SetXAxisTitle(f"{event}, probability")',
        'scene.AddNewNodeByClass("vtkMRMLTableNode", "Regions")',
        'node.SetName(scene.GenerateUniqueName(f"Report {model}"))',
        'add_folder(f"{model} on {image}", beside=node)',
        'legend.SetTitleText("probability")',
        'table = add_region_table(path, names.of("Regions"))',
        'add_volume(volume, name="Impact")',
        'title = "Regions"; names.of(title)',
        'found = [Series("Threshold", x, y)]',
        'columns = {"volume_ml": Column("Volume", _("Volume of the lesion"), "ml")}',
        'names.of({"brain": "Surface"}[kind])',
    ],
)
def test_a_name_in_the_scene_that_escapes_is_found(line: str) -> None:
    assert unnamed(f"def f():\n    {line}\n") != []


@pytest.mark.parametrize(
    "line",
    [
        'scene.AddNewNodeByClass("vtkMRMLTableNode", names.of(_("Regions")))',
        'chart.SetTitle(names.of(_("Risk of {event},").format(event=result["event"])))',
        'columns = {"volume_ml": Column(_("Volume"), _("Volume of the lesion"), "ml")}',
        'title = _("Regions"); names.of(title)',
        'names.of({"brain": _("Surface")}[kind])',
        'color_model(model, scale, report["settings"]["map"]["unit"])',
        'node.SetAttribute("LesionLens.Part", "core")',
    ],
)
def test_a_translated_name_and_a_key_are_let_through(line: str) -> None:
    assert unnamed(f"def f():\n    {line}\n") == []
