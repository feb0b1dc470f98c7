"""The code blocks of docs/console.md run, in the order of the page, as a reader would type them."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tiny_model import write_tiny_model
from tiny_outcome_model import write_tiny_outcome_model
from tools.file_lists import ROOT

from LesionLensLib.images.write import write_volume

PAGE = ROOT / "docs" / "console.md"
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>.*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One code block of the page and why it cannot run here; an empty reason runs it."""

    language: str
    code: str
    reason: str


def blocks() -> list[Block]:
    found = BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
    return [Block(match["language"], match["code"], match["reason"] or "") for match in found]


def to_run(language: str) -> list[str]:
    return [block.code for block in blocks() if block.language == language and not block.reason]


@pytest.fixture(scope="module")
def console_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny networks under the names of the shipped ones, so that the page runs word for word."""
    folder = tmp_path_factory.mktemp("console-models")
    _rename(write_tiny_model(folder / "rsanet-ms"), "rsanet-ms")
    patients = tmp_path_factory.mktemp("patients")
    _rename(write_tiny_outcome_model(folder / "chmfl-sarcoma", patients), "chmfl-sarcoma")
    return folder


def _rename(folder: Path, model: str) -> None:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps({**card, "id": model}), encoding="utf-8")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, head: Any, thigh: Any) -> Path:
    """A folder with the files that the page names; the second case lacks an image."""
    folder = tmp_path_factory.mktemp("console")
    for role, volume in head.channels.items():
        write_volume(volume, folder / f"{role.lower()}.nii.gz")
    for role, volume in {**thigh.channels, "tumour": thigh.lesion}.items():
        write_volume(volume, folder / f"{role.lower()}.nii.gz")
    for case in ("a", "b"):
        (folder / "cases" / case).mkdir(parents=True)
        for role in head.channels:
            shutil.copy(folder / f"{role.lower()}.nii.gz", folder / "cases" / case / f"{role}.nii.gz")
    (folder / "cases" / "b" / "T2.nii.gz").unlink()
    return folder


@pytest.fixture
def console(
    slicer: Any, console_models: Path, work: Path, head: Any, thigh: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Slicer's Python console in that folder, with the small sample cases and the tiny models."""
    for module in ("LesionSegmentation", "MetastasisOutcome", "AttentionExplain"):
        monkeypatch.syspath_prepend(str(ROOT / module))
    monkeypatch.setenv("LESIONLENS_MODELS", str(console_models))
    monkeypatch.setattr("LesionLensLib.phantom.make_head_phantom", lambda: head)
    monkeypatch.setattr("LesionLensLib.phantom.make_thigh_phantom", lambda: thigh)
    monkeypatch.chdir(work)
    slicer.mrmlScene.Clear(0)
    yield work
    slicer.mrmlScene.Clear(0)


def test_every_block_runs_or_says_why_it_cannot() -> None:
    assert {block.language for block in blocks()} == {"python", "sh"}
    marked = PAGE.read_text(encoding="utf-8").count("<!-- not run:")
    assert marked == sum(bool(block.reason) for block in blocks()), "a mark stands right before its block"
    for block in blocks():
        assert not block.reason or "Slicer" in block.code, f"only what needs Slicer itself is left out: {block.reason}"
    assert len(to_run("python")) == 8
    assert len(to_run("sh")) == 3


def test_the_python_blocks_run_in_the_console(slicer: Any, console: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"slicer": slicer, "__name__": "__main__"}
    for code in to_run("python"):
        exec(compile(code, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert "rsanet-ms also needs T2 and FLAIR.\n" in said, "the error is told"
    assert names["done"][0].report["result"] == names["result"].report["result"], "start gives what process gives"
    assert 0 <= names["prediction"].probability <= 1
    assert {"lesions.seg.nrrd", "map.nrrd", "report.txt", "a.seg.nrrd"} <= {path.name for path in console.iterdir()}
    with (console / "lesions.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["lesion_count"] == str(names["result"].report["result"]["lesion_count"])
    assert (second["case"], second["lesion_count"]) == ("b", "")
    assert second["error"]


def test_the_shell_blocks_run(console: Path, console_models: Path) -> None:
    command = console / "bin" / "lesionlens"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m LesionLensLib "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    environment.update(LESIONLENS_MODELS=str(console_models), OMP_NUM_THREADS="1")
    said = ""
    for code in to_run("sh"):
        run = subprocess.run(
            ["sh", "-e", "-c", code], cwd=console, env=environment, capture_output=True, text=True, timeout=600
        )
        assert run.returncode == 0, f"{code}\n{run.stderr}"
        said += run.stdout
    assert "rsanet-ms" in said
    assert "lesion,volume_ml,centroid_r" in said
    for folder in ("result", "prediction", "explanation", "results/a"):
        assert (console / folder / "report.json").is_file()
    assert (console / "results" / "failed.txt").read_text().strip() == "b: exit code 2"
