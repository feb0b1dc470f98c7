"""`lesionlens check` computes with what is installed, and tells a missing package from a broken one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from LesionLensLib.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[2]


def check_with(folder: Path) -> tuple[int, dict[str, str]]:
    """Run the command in a process that finds the packages of `folder` first; return exit code and last event."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])}
    command = [sys.executable, "-m", "LesionLensLib", "check", "--device", "cpu", "--progress", "json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_the_proof_is_a_convolution_on_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    assert main(["check", "--device", "cpu", "--progress", "json"]) == 0
    proof = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert proof["convolution"] == 27
    assert (proof["device"], proof["torch"]) == ("cpu", torch.__version__)


def test_a_device_that_is_not_there_is_the_environments_fault(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this computer has a CUDA device")
    assert main(["check", "--device", "cuda:3"]) == 3
    assert "The device cuda:3 cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("content", [{}, {"__init__.py": ""}, {"__init__.py": "import torch._C"}])
def test_a_half_written_torch_is_installed_but_does_not_work(tmp_path: Path, content: dict[str, str]) -> None:
    """Seen in the forum: an interrupted installation leaves a folder that imports as an empty package (t/47781)."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("")  # in front of the whole one on the path
    for name, text in content.items():
        (tmp_path / "torch" / name).write_text(text)
    code, event = check_with(tmp_path)
    assert code == 3
    assert event["message"] == "PyTorch is installed but does not work."
    assert "Install PyTorch again" in event["remedy"]


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['safetensors'] = None")
    code, event = check_with(tmp_path)
    assert (code, event["event"]) == (3, "error")
    assert event["message"].startswith("safetensors")
    assert event["message"].endswith("is not installed.")
