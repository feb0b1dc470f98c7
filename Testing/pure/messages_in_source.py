"""The messages that the program can show, read from its source; what varies in them is written as an ellipsis."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ERRORS = ("UserError", "EnvironmentFault", "InternalFault")
ELLIPSIS = "\u2026"
PANEL_FOLDERS = ("LesionSegmentation", "MetastasisOutcome", "AttentionExplain")


@dataclass(frozen=True)
class Message:
    """One message with its file and its kind.

    The kind is the class of an error, `remedy` for what follows it, the severity of a finding, or `text` for whatever
    a panel shows.
    """

    kind: str
    text: str
    file: str


@cache
def messages() -> frozenset[Message]:
    """Return every message of the library and of the panels."""
    files = sorted((ROOT / "LesionLensLib").rglob("*.py"))
    for module in PANEL_FOLDERS:
        files += sorted((ROOT / module / f"{module}Lib").glob("*.py"))
    return frozenset(message for path in files for message in _messages_of(path))


def _messages_of(path: Path) -> Iterator[Message]:
    tree, file = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(ROOT).as_posix()
    values = _assigned(tree)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name in ERRORS and call.args:
            yield from (Message(name, text, file) for text in _texts(call.args[0], values))
            for remedy in call.args[1:2]:
                yield from (Message("remedy", text, file) for text in _texts(remedy, values))
        elif name == "Finding" and len(call.args) > 2:
            severity = call.args[0].value if isinstance(call.args[0], ast.Constant) else "error"
            yield from (Message(str(severity), text, file) for text in _texts(call.args[2], values))
        elif name == "_" and call.args:
            yield from (Message("text", text, file) for text in _texts(call.args[0], values))


def _assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name):
                values.setdefault(target.id, []).append(node.value)
    return values


def _texts(node: ast.expr, values: dict[str, list[ast.expr]], depth: int = 0) -> Iterator[str]:
    """Give every text that an expression can be, as far as the source says it in one place."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield _tidy(re.sub(r"\{\w*[^{}]*\}", ELLIPSIS, node.value))
    elif isinstance(node, ast.JoinedStr):
        yield _tidy("".join(str(part.value) if isinstance(part, ast.Constant) else ELLIPSIS for part in node.values))
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, values, depth)
        yield from _texts(node.orelse, values, depth)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        yield from _texts(node.func.value, values, depth)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "str"):
        yield from _texts(node.args[0], values, depth)
    elif isinstance(node, ast.Name) and depth < 3:
        for value in values.get(node.id, []):
            yield from _texts(value, values, depth + 1)


def _tidy(text: str) -> str:
    return " ".join(text.split())
