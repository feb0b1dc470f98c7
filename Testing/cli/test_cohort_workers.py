"""`lesionlens cohort` on real worker processes: killed, interrupted, resumed, and always with the same results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cohort_cases import CohortFiles, all_but_times, write_cohort

from LesionLensLib.cli.main import main

pytest.importorskip("distributed", reason="Dask is not installed (optional group: cohort)")
psutil = pytest.importorskip("psutil", reason="psutil comes with Dask (optional group: cohort)")

REPOSITORY = Path(__file__).resolve().parents[2]
COUNT, WITHIN_S = 6, 300


@pytest.fixture(scope="module")
def cohort(tiny_outcome_model: Path, tmp_path_factory: pytest.TempPathFactory) -> CohortFiles:
    """Six patients; one of them has no image that can be read."""
    files = write_cohort(tmp_path_factory.mktemp("cohort"), tiny_outcome_model, COUNT)
    (files.manifest.parent / "images" / "case3" / "CT.nii.gz").write_bytes(b"no image")
    return files


@pytest.fixture(scope="module")
def expected(cohort: CohortFiles, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What one process without Dask leaves, times aside."""
    here = cohort.into(tmp_path_factory.mktemp("expected") / "results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("LesionLensLib.cohort.engine.find_spec", lambda name: None)
        assert main(here.arguments()) == 0
    assert here.statuses() == ["done", "done", "done", "error", "done", "done"]
    return all_but_times(here.output)


@contextmanager
def running(cohort: CohortFiles, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command in a process group of its own, as a terminal does; kill what is left at the end."""
    command = [sys.executable, "-m", "LesionLensLib", *cohort.arguments(*more)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            for left in [*workers_of(process), process]:
                left.kill()


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the worker processes of a run."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if any("spawn_main" in part for part in child.cmdline())]


def begun(cohort: CohortFiles) -> set[str]:
    """Return the cases that workers are making at this moment."""
    return {path.name.split(".")[1] for path in cohort.output.glob(".cohort-work/.*.partial")}


def finished(cohort: CohortFiles) -> set[str]:
    return {path.parent.name for path in cohort.output.glob("*/report.json")}


def wait_for(process: subprocess.Popen[str], happens: Callable[[], bool]) -> None:
    until = time.monotonic() + WITHIN_S
    while not happens():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.005)


def caught_in_the_middle(process: subprocess.Popen[str], cohort: CohortFiles) -> list[psutil.Process]:
    """Return two workers, suspended while each has a case half done."""
    while True:
        wait_for(process, lambda: len(begun(cohort)) == 2)
        workers = workers_of(process)
        for worker in workers:
            worker.suspend()
        if len(begun(cohort)) == 2:
            return workers
        for worker in workers:
            worker.resume()


def test_two_workers_killed_in_the_middle_lose_nothing_and_do_nothing_twice(
    cohort: CohortFiles, expected: dict[str, object], tmp_path: Path
) -> None:
    run = cohort.into(tmp_path / "results")
    with running(run, "--workers", "2") as process:
        victims = caught_in_the_middle(process, run)
        for victim in victims:
            victim.kill()
        output, errors = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, errors
    assert output.splitlines()[1] == f"done     {COUNT - 1}, of which 0 were there already"
    assert [line.partition(":")[0] for line in errors.splitlines()] == ["warning"]
    assert run.computed() == COUNT - 1
    assert all_but_times(run.output) == expected


def test_interrupted_then_killed_then_resumed_gives_the_same(
    cohort: CohortFiles, expected: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cohort.into(tmp_path / "results")
    with running(run, "--workers", "2") as process:
        wait_for(process, lambda: len(finished(run)) >= 1 and bool(begun(run)))
        started = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches the workers too
        errors = process.communicate(timeout=WITHIN_S)[1]
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "cancelled"
    assert "Traceback" not in errors
    assert not any(worker.is_running() for worker in started)
    report, kept = run.report(), finished(run)
    assert report["state"] == "interrupted"
    assert 1 <= report["cases"]["done"] == len(kept) < COUNT - 1
    assert not (run.output / ".cohort-work").exists()

    with running(run, "--workers", "1", "--resume") as process:
        wait_for(process, lambda: len(finished(run)) > len(kept) and bool(begun(run)))
        started = workers_of(process)
        process.kill()
        process.communicate(timeout=WITHIN_S)
    psutil.wait_procs(started, timeout=WITHIN_S)
    assert not any(worker.is_running() for worker in started)
    times = run.case_times()
    assert len(times) > len(kept)

    monkeypatch.setattr("LesionLensLib.cohort.engine.find_spec", lambda name: None)
    assert main(run.arguments("--resume")) == 0
    assert run.computed() == COUNT - 1 - len(times)
    assert {case: time for case, time in run.case_times().items() if case in times} == times
    assert all_but_times(run.output) == expected
