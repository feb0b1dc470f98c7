"""The command line itself: announces what works, answers at once, and says every error in two lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from LesionLensLib import __version__
from LesionLensLib.cli.main import main
from LesionLensLib.cli.parser import COMMANDS

REPOSITORY = Path(__file__).resolve().parents[2]


def lesionlens(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **variables}
    command = [sys.executable, "-m", "LesionLensLib", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_help_names_every_command_that_works_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert name in text


@pytest.mark.parametrize("command", ["--help", "models"])
def test_help_and_the_list_of_models_import_nothing_that_takes_long(command: str) -> None:
    """Timed on a busy machine this once failed; what costs the time are these three."""
    script = f"import sys; sys.argv[1:] = ['{command}']\nfrom LesionLensLib.cli.main import main\n"
    script += "try: main()\nexcept SystemExit: pass\nprint(sorted({'torch', 'SimpleITK', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_its_own_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert "--progress" in capsys.readouterr().out


def test_the_version_is_that_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"lesionlens {__version__}"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["segmnt"],
        ["segment", "--outputt", "x"],
        ["segment", "--inp", "T1=a"],
        ["segment", "--output", "x", "--seed", "one"],
        ["segment", "--output", "x", "--progress", "loud"],
        ["models", "surplus"],
        ["run"],
    ],
)
def test_a_wrong_call_is_two_lines_and_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    error, remedy = said.err.splitlines()
    assert error.startswith("error: ")
    assert remedy.startswith("remedy: See lesionlens")


def test_the_models_are_listed_with_all_the_contract_promises(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LESIONLENS_MODELS", str(tiny_model.parent))
    assert main(["models", "--json", "--verify"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["id"] == "tiny-ms"
    assert entry["channel_def"] == ["T1", "T2", "FLAIR"]
    assert entry["evidence"] == "untrained"
    assert entry["matches"] is True
    assert entry["bytes"] == (tiny_model / "weights.safetensors").stat().st_size
    assert {"task", "licence", "citation", "sha256"} <= set(entry)
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"tiny-ms {entry['version']}: {entry['title']}\n")
    assert entry["sha256"] in text


def test_the_list_says_which_shipped_models_are_demonstrations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    paragraphs = capsys.readouterr().out.split("\n\n")
    predicting = [text for text in paragraphs if "task        outcome" in text]
    simulated = [text for text in predicting if "trained on  simulated" in text]
    assert len(predicting) > len(simulated) > 0
    for text in predicting:
        assert ("demonstration weights, simulated outcome" in text) == (text in simulated)


def test_verify_fails_with_3_where_weights_were_changed(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "tiny-ms"
    changed.mkdir()
    (changed / "card.json").write_bytes((tiny_model / "card.json").read_bytes())
    (changed / "weights.safetensors").write_bytes(b"other bytes")
    monkeypatch.setenv("LESIONLENS_MODELS", str(tmp_path))
    assert main(["models", "--verify"]) == 3
    said = capsys.readouterr()
    assert "MISSING OR DIFFERENT" in said.out
    assert said.err.splitlines()[0].startswith("error: The weights of tiny-ms")
    assert main(["models"]) == 0


def test_a_fault_of_ours_is_code_1_and_the_traceback_goes_to_a_private_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("LesionLensLib.cli.models.list_cards", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["models"]) == 1
    error, remedy = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert "secret detail" not in error + remedy
    (log,) = tmp_path.iterdir()
    assert str(log) in remedy
    assert "secret detail" in log.read_text()
    assert "Traceback" in log.read_text()
    assert str(REPOSITORY) not in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_with_json_progress_an_error_is_an_event_on_standard_output() -> None:
    done = lesionlens("run", "no-such-job.json", "--progress", "json")
    assert done.returncode == 2
    (event,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (event["event"], event["code"]) == ("error", 2)
    assert event["remedy"]
    assert done.stderr.startswith("error: ")
