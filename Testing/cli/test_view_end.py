"""`lesionlens view` ends with everything it has started, also where it is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from scene.result_case import make_case, oblique_grid
from view_page import REPOSITORY, SECONDS, as_result, children_of, is_alive, running_view, viewer_python, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest.fixture
def head_result(tmp_path: Path) -> Path:
    return as_result(make_case(tmp_path / "head", oblique_grid(left_handed=True)))


def test_ctrl_c_ends_the_child_the_port_and_what_was_unpacked(head_result: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    with running_view(head_result, work) as (process, address):
        (child,) = children_of(process.pid)
        assert list(work.iterdir()), "the scene's files are there while it runs"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS)
        assert (process.returncode, said.splitlines()[-1]) == (130, "cancelled")
        assert not is_alive(child)
        assert list(work.iterdir()) == []
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", urlsplit(address).port)) != 0


def test_a_child_does_not_outlive_a_killed_command(head_result: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "LesionLensLib", "view", str(head_result), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([*command, "--python", viewer_python()], stdout=subprocess.DEVNULL, env=environment)
    wait_until(lambda: any(tmp_path.glob("lesionlens-view-*")))
    (child,) = children_of(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not is_alive(child))
    wait_until(lambda: not any(tmp_path.glob("lesionlens-view-*")))
