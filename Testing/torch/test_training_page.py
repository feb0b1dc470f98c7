"""What docs/training.md tells to type and to write is understood by the programs that it is meant for."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from LesionLensLib.cli.parser import make_parser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks(language: str) -> list[str]:
    return [code for kind, code in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if kind == language]


def commands() -> list[list[str]]:
    """Return every command that starts a training as words, shell variables filled in."""
    text = "\n".join([*blocks("sh"), *blocks("bash")]).replace("\\\n", " ")
    text = re.sub(r"\$\w+", "2", text)
    lines = [line for line in text.splitlines() if re.match(r"(srun torchrun|torchrun|lesionlens)", line)]
    return [shlex.split(line.removeprefix("srun ")) for line in lines]


def test_the_page_tells_one_process_several_several_machines_and_how_to_go_on() -> None:
    told = [" ".join(words) for words in commands()]
    assert len(told) == 5
    assert sum("--standalone" in line for line in told) == 2
    assert sum("--rdzv-endpoint" in line for line in told) == 1
    assert sum("--resume" in line for line in told) == 2


@pytest.mark.parametrize("words", commands(), ids=lambda words: words[0])
def test_every_command_is_understood(words: list[str]) -> None:
    if words[0] == "torchrun":
        launcher = pytest.importorskip("torch.distributed.run")
        parsed = launcher.parse_args(words[1:])
        assert parsed.training_script == "LesionLensLib"
        assert parsed.module
        words = ["lesionlens", *parsed.training_script_args]
    options = make_parser(words[1:]).parse_args(words[1:])
    assert (options.command, options.data) == ("train", "cases.csv")


def test_the_batch_script_is_one_that_bash_reads() -> None:
    (script,) = blocks("bash")
    assert script.startswith("#!/bin/bash\n#SBATCH ")
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_settings_are_those_of_recipes() -> None:
    yaml = pytest.importorskip("yaml")
    from LesionLensLib.training.lesion_load.recipe import LoadRecipe
    from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
    from LesionLensLib.training.recipe import Recipe
    from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe

    batch, volumes = (yaml.safe_load(code) for code in blocks("yaml"))
    kinds: list[Any] = [LoadRecipe, LocalFailureRecipe, OutcomeRecipe]
    assert [(kind.from_dict(batch).batch, kind.from_dict(batch).accumulate) for kind in kinds] == [(8, 4)] * 3
    assert Recipe.from_dict(volumes).batch_sizes == (8,)


def test_the_page_names_every_column_of_the_log_and_every_precision() -> None:
    from LesionLensLib.training.precision import PRECISIONS
    from LesionLensLib.training.training_log import COLUMNS

    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in (*COLUMNS, *PRECISIONS) if f"`{name}`" not in text] == []
