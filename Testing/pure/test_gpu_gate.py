"""One process at a time computes on a GPU; the others wait only for that, and nobody waits for the dead."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from LesionLensLib.cohort.gpu_gate import GATE_VARIABLE, GpuGate

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no gate on Windows")
REPOSITORY = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from LesionLensLib.cohort.gpu_gate import GpuGate
gate = GpuGate("segment", Path(sys.argv[1]))
gate.phase("network")
print("held", flush=True)
for line in sys.stdin:
    gate.phase(line.strip())
    print("phase", flush=True)
"""


@pytest.fixture
def gate_file(tmp_path: Path) -> Path:
    return tmp_path / "gpu-0.lock"


@pytest.fixture
def other(gate_file: Path) -> subprocess.Popen[str]:
    """Another worker, which computes on the GPU."""
    command = [sys.executable, "-c", HOLDER, str(gate_file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def asking(gate: GpuGate) -> threading.Thread:
    thread = threading.Thread(target=gate.phase, args=("network",), daemon=True)
    thread.start()
    return thread


def test_the_network_waits_for_another_worker_and_preparing_does_not(
    gate_file: Path, other: subprocess.Popen[str]
) -> None:
    gate = GpuGate("segment", gate_file)
    for phase in ("read", "prepare", "write"):
        gate.phase(phase)
    assert not gate.is_held
    thread = asking(gate)
    thread.join(0.2)
    assert thread.is_alive()
    assert not gate.is_held
    assert other.stdin is not None
    assert other.stdout is not None
    print("measure", file=other.stdin, flush=True)
    assert other.stdout.readline() == "phase\n"
    thread.join(30)
    assert gate.is_held
    gate.phase("network")  # told again and again while it computes
    assert gate.is_held
    gate.phase("measure")
    assert not gate.is_held


def test_a_worker_that_is_killed_gives_the_gpu_back(gate_file: Path, other: subprocess.Popen[str]) -> None:
    gate = GpuGate("segment", gate_file)
    thread = asking(gate)
    thread.join(0.1)
    assert not gate.is_held
    other.kill()
    thread.join(30)
    assert gate.is_held
    gate.release()


def test_without_a_gpu_nobody_waits(monkeypatch: pytest.MonkeyPatch, gate_file: Path) -> None:
    monkeypatch.delenv(GATE_VARIABLE, raising=False)
    gate = GpuGate.of_this_worker("explain")
    gate.phase("explain")
    assert not gate.is_held
    monkeypatch.setenv(GATE_VARIABLE, str(gate_file))
    gate = GpuGate.of_this_worker("explain")
    gate.phase("explain")
    assert gate.is_held
    gate.release()
