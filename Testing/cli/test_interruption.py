"""A run that is stopped in the middle leaves nothing, or at worst nothing visible."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from case_files import CaseFiles, hashes

from LesionLensLib.errors import Cancelled
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.process import ChildRun

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def running_until(case: CaseFiles, phase: str) -> Iterator[subprocess.Popen[str]]:
    """Start the good case and wait until it reports `phase`."""
    command = [sys.executable, "-m", "LesionLensLib", *case.call().arguments(), "--progress", "json"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("phase") == phase:
                break
        else:
            raise AssertionError(f"the run ended before {phase}: {process.stderr and process.stderr.read()}")
        yield process


@pytest.mark.parametrize(("number", "phase"), [(signal.SIGINT, "read"), (signal.SIGTERM, "network")])
def test_a_polite_signal_is_code_130_and_leaves_nothing(case_files: CaseFiles, number: int, phase: str) -> None:
    before = hashes(case_files.paths["T1"].parent)
    with running_until(case_files, phase) as process:
        process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "cancelled"
    assert json.loads(rest.splitlines()[-1])["message"] == "cancelled"
    assert list(case_files.folder.iterdir()) == []
    assert hashes(case_files.paths["T1"].parent) == before


def test_a_kill_that_nobody_can_catch_leaves_no_visible_folder(case_files: CaseFiles) -> None:
    with running_until(case_files, "network") as process:
        process.kill()
        process.wait(timeout=60)
    assert not case_files.output.exists()
    assert [path.name for path in case_files.folder.iterdir() if not path.name.startswith(".")] == []


def test_a_run_whose_parent_has_gone_stops_by_itself(case_files: CaseFiles) -> None:
    with running_until(case_files, "read") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(timeout=60)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 130
    assert list(case_files.folder.iterdir()) == []


def test_cancel_of_a_child_run_leaves_nothing_of_the_real_program(case_files: CaseFiles) -> None:
    call = case_files.call()
    inputs = tuple((role, str(path)) for role, path in call.inputs)
    job = SegmentJob(inputs=inputs, output=str(call.output), model=str(call.model), device="cpu")
    seen: list[str] = []
    failed: list[Exception] = []
    run = ChildRun(job, lambda fraction, text: seen.append(text), lambda payload: None, failed.append)
    run.start()
    deadline = time.monotonic() + 60
    while not any("running" in text for text in seen) and time.monotonic() < deadline:
        run.poll()
        time.sleep(0.01)
    run.cancel()
    assert [type(error) for error in failed] == [Cancelled]
    assert list(case_files.folder.iterdir()) == []


def test_a_child_run_of_the_real_program_reports_what_it_wrote(case_files: CaseFiles) -> None:
    call = case_files.call()
    inputs = tuple((role, str(path)) for role, path in call.inputs)
    job = SegmentJob(inputs=inputs, output=str(call.output), model=str(call.model), device="cpu")
    finished: list[dict[str, object]] = []
    failed: list[Exception] = []
    run = ChildRun(job, lambda fraction, text: None, finished.append, failed.append)
    run.start()
    assert run.wait(120)
    assert failed == []
    assert finished[0]["report"] == json.loads((call.output / "report.json").read_text())
