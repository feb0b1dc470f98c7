"""docs/own-model.md as a researcher would follow it: its blocks run in order on a small made-up data set."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from brats_mets_tree import write_brats_mets_cohort, write_outcomes
from tools.file_lists import ROOT

from LesionLensLib.cli.main import main

PAGE = ROOT / "docs" / "own-model.md"
BLOCK = re.compile(r"(?:<!-- (?P<mark>not run|file): (?P<word>.*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
                   re.M | re.S)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """One code block; `file` is the name to save it under, `reason` why it cannot run."""

    language: str
    code: str
    file: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Walk:
    """The folder in which all blocks have run, and the outcome of every lesion by case and number."""

    folder: Path
    truth: dict[tuple[str, int], str]


def blocks() -> list[Block]:
    """Return the blocks of the page in order."""
    found = []
    for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        marked = {"not run": "reason", "file": "file"}.get(match["mark"] or "")
        found.append(Block(match["language"], match["code"], **({marked: match["word"]} if marked else {})))
    return found


def commands(code: str) -> list[list[str]]:
    """Return the arguments of every `lesionlens` line."""
    lines = [shlex.split(line) for line in code.replace("\\\n", " ").splitlines()]
    assert all(line[0] == "lesionlens" for line in lines), "a researcher needs no other program"
    return [line[1:] for line in lines]


def walk_page(folder: Path) -> Walk:
    """Run every block in `folder`; the table of outcomes and the other program's predictions are the researcher's."""
    truth = write_brats_mets_cohort(folder)
    write_outcomes(truth, folder / "outcomes.csv")
    _write_folds(truth, folder / "folds.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        for block in blocks():
            if block.file:
                (folder / block.file).write_text(block.code, encoding="utf-8")
            elif not block.reason:
                _run(block)
            if block.file == "pyproject.toml":
                install(block.code, folder)
        sys.modules.pop("my_networks", None)
    return Walk(folder, truth)


def install(pyproject: str, folder: Path) -> None:
    """Leave what pip leaves of a package: its entry points beside its modules. Nothing is fetched."""
    project: dict[str, Any] = tomllib.loads(pyproject)["project"]
    home = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    home.mkdir()
    (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [f"[{g}]\n" + "".join(f"{n} = {v}\n" for n, v in p.items()) for g, p in project["entry-points"].items()]
    (home / "entry_points.txt").write_text("\n".join(groups))


def _run(block: Block) -> None:
    if block.language == "python":
        exec(compile(block.code, str(PAGE), "exec"), {"__name__": "__main__"})
        return
    for arguments in commands(block.code):
        quiet = [] if arguments[0] == "models" else ["--progress", "none"]
        assert main([*arguments, *quiet]) == 0, f"lesionlens {shlex.join(arguments)}"


def _write_folds(truth: dict[tuple[str, int], str], path: Path) -> None:
    lines = ["case,patient,fold,outcome,probability"]
    for number, ((case, _), outcome) in enumerate(truth.items()):
        lines.append(f"{case},{case[:-4]},{number % 3},{outcome},{0.35 + 0.25 * int(outcome) + 0.01 * number:.2f}")
    path.write_text("\n".join(lines) + "\n")
