"""A child run delivers what the child says on the caller's thread, and Cancel really stops all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from LesionLensLib.errors import Cancelled, EnvironmentFault, InternalFault, UserError
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.process import (
    LIBRARY_ROOT,
    START_FROM,
    ChildRun,
    ask_child,
    child_environment,
    python_interpreter,
)


class Listener:
    """Collects what a run reports, and on which thread."""

    def __init__(self) -> None:
        self.progress: list[tuple[float, str]] = []
        self.phases: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self.finished: list[dict[str, Any]] = []
        self.failed: list[Exception] = []
        self.threads: set[int] = set()

    def on_progress(self, fraction: float, text: str) -> None:
        self.threads.add(threading.get_ident())
        self.progress.append((fraction, text))


def make_run(tmp_path: Path, script: str, listener: Listener) -> ChildRun:
    program = tmp_path / "program.py"
    program.write_text("import json, os, sys, time\n" + textwrap.dedent(script), encoding="utf-8")
    job = SegmentJob(inputs=(("T1", "t1.nii.gz"),), output=str(tmp_path / "out"))
    return ChildRun(
        job,
        listener.on_progress,
        listener.finished.append,
        listener.failed.append,
        on_warning=listener.warnings.append,
        program=[sys.executable, str(program)],
        on_phase=lambda name, text: listener.phases.append((name, text)),
    )


SAY = """
def say(**event):
    print(json.dumps(event), flush=True)
"""


def test_events_arrive_in_order_on_the_thread_that_polls(tmp_path: Path) -> None:
    listener = Listener()
    script = (
        SAY
        + """
say(event="progress", phase="read", fraction=0.25, text="reading ü")
print("a library chats on standard output")
say(event="warning", text="thick slices")
say(event="progress", phase="network", fraction=0.5, text="working")
say(event="result", output="out", report={"result": {"lesion_count": 3}})
"""
    )
    run = make_run(tmp_path, script, listener)
    run.start()
    assert run.wait(20)
    assert listener.progress == [(0.25, "reading ü"), (0.5, "working")]
    assert listener.phases == [("read", "reading ü"), ("network", "working")]
    assert listener.warnings == ["thick slices"]
    assert listener.finished == [{"output": "out", "report": {"result": {"lesion_count": 3}}}]
    assert listener.failed == []
    assert listener.threads == {threading.get_ident()}
    assert "a library chats" in run.log


def test_the_child_is_told_to_run_the_job_it_was_made_for(tmp_path: Path) -> None:
    listener = Listener()
    script = (
        SAY
        + """
say(event="result", arguments=sys.argv[1:2] + sys.argv[3:], job=json.load(open(sys.argv[2])))
"""
    )
    run = make_run(tmp_path, script, listener)
    run.start()
    assert run.wait(20)
    (payload,) = listener.finished
    assert payload["arguments"] == ["run", "--progress", "json"]
    assert SegmentJob.from_json(json.dumps(payload["job"])) == run.job


def test_an_error_of_the_child_arrives_with_its_message_remedy_and_kind(tmp_path: Path) -> None:
    listener = Listener()
    script = (
        SAY
        + """
say(event="error", code=2, message="T1 is empty.", remedy="Export it again.")
sys.exit(2)
"""
    )
    run = make_run(tmp_path, script, listener)
    run.start()
    assert run.wait(20)
    (error,) = listener.failed
    assert isinstance(error, UserError)
    assert (error.message, error.remedy) == ("T1 is empty.", "Export it again.")
    assert listener.finished == []


def test_a_child_that_crashes_is_our_fault_and_the_log_is_kept(tmp_path: Path) -> None:
    listener = Listener()
    run = make_run(tmp_path, "raise RuntimeError('boom 17')", listener)
    run.start()
    assert run.wait(20)
    (error,) = listener.failed
    assert isinstance(error, InternalFault)
    assert "boom 17" in error.detail


def test_a_child_killed_by_the_system_is_told_apart_from_a_crash(tmp_path: Path) -> None:
    listener = Listener()
    run = make_run(tmp_path, "os.kill(os.getpid(), 9)", listener)
    run.start()
    assert run.wait(20)
    (error,) = listener.failed
    assert isinstance(error, EnvironmentFault)


def test_a_crash_ends_what_the_child_had_started_although_it_holds_the_pipes_open(tmp_path: Path) -> None:
    listener = Listener()
    script = (
        SAY
        + """
import subprocess
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
say(event="progress", fraction=0.5, text=str(grandchild.pid))
os.kill(os.getpid(), 9)
"""
    )
    run = make_run(tmp_path, script, listener)
    run.start()
    assert run.wait(20)
    assert isinstance(listener.failed[0], EnvironmentFault)
    assert _has_gone(int(listener.progress[0][1]))


def test_a_question_to_a_child_is_answered_while_the_caller_idles(tmp_path: Path) -> None:
    idled: list[int] = []
    (tmp_path / "answer.py").write_text(
        "import json, sys, time; time.sleep(0.3); print('chat'); "
        "print(json.dumps({'event': 'result', 'arguments': sys.argv[1:]}))"
    )
    program = [sys.executable, str(tmp_path / "answer.py")]
    answer = ask_child(["check", "--device", "cpu"], lambda: idled.append(1), program)
    assert answer == {"arguments": ["check", "--device", "cpu", "--progress", "json"]}
    assert idled


def test_a_question_to_a_child_that_does_not_answer_ends_and_kills_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    (tmp_path / "mute.py").write_text(
        f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    with pytest.raises(EnvironmentFault, match="did not answer within 3 s"):
        ask_child(["check"], lambda: None, [sys.executable, str(tmp_path / "mute.py")], limit_s=3)
    assert _has_gone(int(pid.read_text()))


def test_a_child_that_crashes_on_a_question_is_our_fault_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "crash.py").write_text("raise RuntimeError('boom 18')")
    with pytest.raises(InternalFault) as caught:
        ask_child(["check"], lambda: None, [sys.executable, str(tmp_path / "crash.py")])
    assert "boom 18" in caught.value.detail


def test_a_child_that_ends_well_without_a_result_has_still_failed(tmp_path: Path) -> None:
    listener = Listener()
    run = make_run(tmp_path, "print('{}')", listener)
    run.start()
    assert run.wait(20)
    assert listener.finished == []
    assert isinstance(listener.failed[0], InternalFault)


def test_cancel_kills_grandchildren_and_removes_the_hidden_folder(tmp_path: Path) -> None:
    listener = Listener()
    script = (
        SAY
        + """
import subprocess, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
job = json.load(open(sys.argv[2]))
sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
from LesionLensLib.results import ResultFolder
folder = ResultFolder(job["output"])
folder.__enter__()
(folder.path / "half.nrrd").write_text("half")
say(event="progress", fraction=0.5, text=str(grandchild.pid))
time.sleep(600)
"""
    )
    run = make_run(tmp_path, script, listener)
    run.start()
    deadline = time.monotonic() + 20
    while not listener.progress and time.monotonic() < deadline:
        run.poll()
        time.sleep(0.02)
    grandchild = int(listener.progress[0][1])
    assert any(path.name.endswith(".partial") for path in tmp_path.iterdir())
    begin = time.monotonic()
    run.cancel()
    assert time.monotonic() - begin < 3
    assert [type(error) for error in listener.failed] == [Cancelled]
    assert not run.is_running
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]
    assert _has_gone(grandchild)
    run.cancel()
    assert not run.poll()
    assert len(listener.failed) == 1


def _has_gone(pid: int) -> bool:
    """Whether a process is dead or only waits to be reaped."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_program_that_does_not_exist_is_the_environments_fault(tmp_path: Path) -> None:
    listener = Listener()
    job = SegmentJob(inputs=(("T1", "t1.nii.gz"),), output=str(tmp_path / "out"))
    run = ChildRun(
        job, listener.on_progress, listener.finished.append, listener.failed.append, program=["/no/such/program"]
    )
    with pytest.raises(EnvironmentFault):
        run.start()
    assert not run.is_running


def test_slicers_own_interpreter_is_preferred_where_it_is_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert python_interpreter() == sys.executable
    launcher = tmp_path / "PythonSlicer"
    launcher.write_text("#!/bin/sh\n")
    launcher.chmod(0o755)
    assert python_interpreter() == str(launcher)


def test_an_application_is_never_mistaken_for_an_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/opt/Slicer/bin/SlicerApp-real")
    with pytest.raises(EnvironmentFault):
        python_interpreter()


def test_the_child_can_import_the_library_from_wherever_it_lies() -> None:
    first = child_environment()["PYTHONPATH"].split(os.pathsep)[0]
    assert (Path(first) / "LesionLensLib" / "__init__.py").is_file()


def test_the_program_starts_even_where_a_launcher_takes_the_python_path_away(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-I", "-S", "-c", START_FROM, str(LIBRARY_ROOT), "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[0]) == (0, "lesionlens"), done.stderr


def test_a_temporary_folder_that_is_gone_is_told_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    run = make_run(tmp_path, "print('never')", Listener())
    with pytest.raises(UserError) as caught:
        run.start()
    assert "job.json" in str(caught.value)
    assert not run.is_running
    assert list(tmp_path.glob("**/job.json")) == []
