"""Without a network: the page on it works as it is written, and so does every command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from case_files import CaseFiles
from offline import REPOSITORY, attempts, cut_off
from predict_files import make_case

from LesionLensLib.images import write_volume

# Every command in one process: starting torch anew for each would take longer than the commands.
ALL_COMMANDS = """
import json, sys
from LesionLensLib.cli.main import main
print([main(arguments) for arguments in json.loads(sys.argv[1])])
"""


def blocks(heading: str) -> list[str]:
    """Return the commands that docs/offline.md gives below a heading."""
    page = (REPOSITORY / "docs" / "offline.md").read_text(encoding="utf-8")
    part = re.split(r"^## ", page.split(f"## {heading}\n")[1], flags=re.MULTILINE)[0]
    return re.findall(r"^```sh\n(.*?)^```", part, re.MULTILINE | re.DOTALL)


def make_wheel(folder: Path, name: str, version: str) -> None:
    """Write a wheel that holds one module and nothing to speak of."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def offline_computer(tmp_path: Path, tiny_model: Path) -> Path:
    """A folder with wheels, weights and a PythonSlicer, as the page leaves it on the computer without a network."""
    for name in ("wheels", "weights", "bin"):
        (tmp_path / name).mkdir()
    make_wheel(tmp_path / "wheels", "torch", "2.13.0")
    make_wheel(tmp_path / "wheels", "safetensors", "0.8.0")
    (tmp_path / "weights" / tiny_model.name).symlink_to(tiny_model)
    launcher = tmp_path / "bin" / "PythonSlicer"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="the page's commands are run by a POSIX shell")
def test_the_recipe_for_a_computer_without_a_network_works_as_written(offline_computer: Path) -> None:
    log = offline_computer / "network.log"
    environment = cut_off(log)
    environment["PATH"] = f"{offline_computer / 'bin'}:{environment['PATH']}"
    environment["PIP_TARGET"] = str(offline_computer / "site")  # not into the Python that runs the tests
    install, check, models = blocks("On the computer without a network")
    outputs = [
        subprocess.run(
            block, shell=True, cwd=offline_computer, env=environment, capture_output=True, text=True, check=False
        )
        for block in (install, check, models)
    ]
    assert [done.returncode for done in outputs] == [0, 0, 0], "\n".join(done.stderr for done in outputs)
    names = {path.name for path in (offline_computer / "site").glob("*.dist-info")}
    assert names == {"torch-2.13.0.dist-info", "safetensors-0.8.0.dist-info"}
    assert re.search(r"^convolution +27", outputs[1].stdout, re.MULTILINE)
    assert "as the card says" in outputs[2].stdout
    assert attempts(log) == []


def test_what_the_page_downloads_and_installs_is_what_the_extension_wants() -> None:
    (download,) = blocks("On a computer with a network")
    install = blocks("On the computer without a network")[0]
    wanted = [re.findall(r'"([^"]+)"', block) for block in (download, install)]
    requirements = (REPOSITORY / "Resources" / "requirements.txt").read_text().splitlines()
    assert wanted[0] == wanted[1] == ["torch>=2.6", *(line for line in requirements if not line.startswith("#"))]


def test_the_guard_itself_stops_and_reports_a_connection(tmp_path: Path) -> None:
    log = tmp_path / "network.log"
    code = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')"
    done = subprocess.run([sys.executable, "-c", code], env=cut_off(log), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Network is unreachable" in done.stderr
    assert len(attempts(log)) == 1


def test_every_command_works_without_a_network(
    case_files: CaseFiles, tiny_outcome_model: Path, tmp_path: Path
) -> None:
    paths = {role: tmp_path / f"{role}.nii.gz" for role in ("PET", "CT", "lesion")}
    for role, volume in make_case().items():
        write_volume(volume, paths[role])
    place = [f"--input=PET={paths['PET']}", f"--input=CT={paths['CT']}", f"--mask=lesion={paths['lesion']}"]
    outcome = [*place, "--model", str(tiny_outcome_model), "--device=cpu", "--progress=none"]
    commands = [
        ["models", "--json"],
        ["check", "--device=cpu"],
        [*case_files.call().arguments(), "--progress=none"],
        ["predict", *outcome, "--output", str(tmp_path / "predicted")],
        ["explain", *outcome, "--method=gradcam", "--surface=none", "--output", str(tmp_path / "explained")],
    ]
    log = tmp_path / "network.log"
    done = subprocess.run(
        [sys.executable, "-c", ALL_COMMANDS, json.dumps(commands)],
        env=cut_off(log), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == str([0] * len(commands)), done.stderr
    assert attempts(log) == []
