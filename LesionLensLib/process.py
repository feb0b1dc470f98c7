"""Runs a job in a child process, so that a window stays usable and Cancel really stops the work.

Pure Python: Slicer's panels call `poll` from a timer, tests and consoles call `wait`.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from LesionLensLib.errors import Cancelled, EnvironmentFault, InternalFault, LesionLensError, UserError
from LesionLensLib.jobs import CaseJob
from LesionLensLib.results import RUN_TOKEN, remove_leftovers, speaking_of_disk

LOG_LINES = 200
_IDLE_EVERY_S = 0.02
LIBRARY_ROOT = Path(__file__).resolve().parent.parent
# A launcher in front of the interpreter, as PythonSlicer is, may set PYTHONPATH anew; an argument always arrives.
START_FROM = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('LesionLensLib', run_name='__main__', alter_sys=True)"
)
ERRORS_BY_CODE = {2: UserError, 3: EnvironmentFault}
OnProgress = Callable[[float, str], None]
OnFinished = Callable[[dict[str, Any]], None]
OnFailed = Callable[[LesionLensError | Cancelled], None]


class ChildRun:
    """One job in one child process; every callback is called on the thread that calls `poll`, `wait` or `cancel`.

    `on_progress(fraction, text)`, and `on_phase(name, text)` with each of them, `on_warning(text)`; then once either
    `on_finished(payload)` with what the job reported, or `on_failed(error)` with a `LesionLensError` or `Cancelled`.
    `program` is the command to which `run JOB.json --progress json` is added; tests swap it.
    """

    def __init__(
        self,
        job: CaseJob,
        on_progress: OnProgress,
        on_finished: OnFinished,
        on_failed: OnFailed,
        on_warning: Callable[[str], None] | None = None,
        program: Sequence[str] | None = None,
        on_phase: Callable[[str, str], None] | None = None,
    ) -> None:
        self.job = job
        self._on_progress = on_progress
        self._on_finished = on_finished
        self._on_failed = on_failed
        self._on_warning = on_warning or (lambda text: None)
        self._on_phase = on_phase or (lambda name, text: None)
        self._program = list(program) if program is not None else None
        self._token = uuid.uuid4().hex
        self._process: subprocess.Popen[str] | None = None
        self._folder: Path | None = None
        self._readers: list[threading.Thread] = []
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._payload: dict[str, Any] | None = None
        self._error: LesionLensError | None = None
        self._ended = False

    @property
    def is_running(self) -> bool:
        """Whether the job was started and neither `on_finished` nor `on_failed` was called yet."""
        return self._process is not None and not self._ended

    @property
    def log(self) -> str:
        """The last lines the child wrote that are not events."""
        return "\n".join(self._log)

    def start(self) -> None:
        """Start the child; raises `EnvironmentFault` or `UserError` where it, or its job's file, cannot be."""
        if self._process is not None:
            raise InternalFault("A run was started twice.", "Make a new ChildRun for every run.")
        program = self._program or _own_program()
        try:
            with speaking_of_disk("job.json"):
                self._folder = Path(tempfile.mkdtemp(prefix="lesionlens-"))
                job_file = self._folder / "job.json"
                job_file.write_text(self.job.to_json(), encoding="utf-8")
            self._process = _started([*program, "run", str(job_file), "--progress", "json"], self._token)
        except LesionLensError:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._read(self._process.stdout, self._lines.put)
        self._read(self._process.stderr, self._log.append)

    def poll(self) -> bool:
        """Deliver what the child has said since the last call; returns whether the job still runs."""
        process = self._process
        if process is None or self._ended:
            return False
        # Asked before the queue is emptied: what arrives in between is then delivered at the next call, never lost.
        gone = process.poll() is not None
        if gone:
            # What the child has started outlives its crash, and would hold its pipes open for ever.
            _kill_group(process)
            gone = not any(reader.is_alive() for reader in self._readers)
        while not self._ended and not self._lines.empty():
            self._take(self._lines.get())
        if gone and not self._ended:
            self._end(process.returncode)
        return not self._ended

    def wait(self, timeout_s: float | None = None) -> bool:
        """Poll until the job has ended or `timeout_s` is over; returns whether it has ended."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self.poll():
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def cancel(self) -> None:
        """Kill the child with all its descendants, remove what it left, and call `on_failed(Cancelled())`.

        Does nothing where the job has ended or was never started.
        """
        process = self._process
        if process is None or self._ended:
            return
        kill_tree(process)
        for reader in self._readers:
            reader.join(timeout=5)
        self._ended = True
        self._tidy()
        self._on_failed(Cancelled())

    def _read(self, stream: IO[str] | None, deliver: Callable[[str], None]) -> None:
        if stream is None:
            return
        reader = threading.Thread(target=_forward_lines, args=(stream, deliver), daemon=True)
        reader.start()
        self._readers.append(reader)

    def _take(self, line: str) -> None:
        event = _parse_event(line)
        if event is None:
            self._log.append(line)
            return
        kind = event.pop("event")
        if kind == "progress":
            self._on_progress(float(event.get("fraction", 0.0)), str(event.get("text", "")))
            self._on_phase(str(event.get("phase", "")), str(event.get("text", "")))
        elif kind == "warning":
            self._on_warning(str(event.get("text", "")))
        elif kind == "result":
            self._payload = event
        elif kind == "error":
            self._error = _error_of(event)

    def _end(self, code: int) -> None:
        self._ended = True
        self._tidy()
        if code == 0 and self._payload is not None:
            self._on_finished(self._payload)
        elif code == Cancelled.exit_code:
            self._on_failed(Cancelled())
        else:
            self._on_failed(self._error or _crash_error(code, self.log))

    def _tidy(self) -> None:
        remove_leftovers(Path(self.job.output), self._token)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def python_interpreter() -> str:
    """Return the Python that can run the work.

    In desktop Slicer `sys.executable` is the application itself, and `PythonSlicer`, which Slicer has on its PATH, is
    the interpreter with Slicer's packages. Raises `EnvironmentFault` where none is found.
    """
    found = shutil.which("PythonSlicer")
    if found:
        return found
    if sys.executable and Path(sys.executable).stem.lower().startswith("python"):
        return sys.executable
    raise EnvironmentFault("No Python interpreter was found to do the work.", "Start LesionLens from 3D Slicer.")


def child_environment(token: str = "") -> dict[str, str]:
    """Return the environment of a child: this library importable, UTF-8 output, the token of its work folder."""
    paths = [str(LIBRARY_ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    if token:
        environment[RUN_TOKEN] = token
    return environment


def own_group_options() -> dict[str, Any]:
    """Return the Popen options that give a child its own process group, so that it can be killed with its children."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": flags}
    return {"start_new_session": True}


def kill_tree(process: subprocess.Popen[Any]) -> None:
    """Kill a child started with `own_group_options` and everything it started, and reap it."""
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        _kill_group(process)
    process.wait(timeout=30)


def ask_child(
    arguments: Sequence[str],
    idle: Callable[[], None],
    program: Sequence[str] | None = None,
    limit_s: float = 300.0,
) -> dict[str, Any]:
    """Run a command of the program to its end and return its result event; `idle` is called while waiting.

    Raises what the command raised, `InternalFault` where it crashed, and `EnvironmentFault` where it cannot start or
    does not answer within `limit_s`.
    """
    process = _started([*(program or _own_program()), *arguments, "--progress", "json"], "")
    deadline = time.monotonic() + limit_s
    try:
        while True:
            try:
                output, log = process.communicate(timeout=_IDLE_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise EnvironmentFault(
                        f"The program that does the work did not answer within {limit_s:.0f} s.",
                        "Close other programs and try again.",
                    ) from None
                idle()
    except BaseException:
        kill_tree(process)
        raise
    events = [event for event in map(_parse_event, output.splitlines()) if event is not None]
    ends = {event.pop("event"): event for event in events}
    if process.returncode == 0 and "result" in ends:
        return ends["result"]
    raise _error_of(ends["error"]) if "error" in ends else _crash_error(process.returncode, log)


def _own_program() -> list[str]:
    return [python_interpreter(), "-c", START_FROM, str(LIBRARY_ROOT)]


def _kill_group(process: subprocess.Popen[Any]) -> None:
    """Kill what is left of the process group of a child, whether it has ended itself or not; POSIX only."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):  # nothing is left; macOS says the latter of zombies
            os.killpg(process.pid, signal.SIGKILL)


def _started(command: list[str], token: str) -> subprocess.Popen[str]:
    try:
        return _start(command, token)
    except OSError as error:
        raise EnvironmentFault(
            "The program that does the work could not be started.",
            "Reinstall LesionLens, or start it from Slicer.",
            str(error),
        ) from error


def _start(command: list[str], token: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=child_environment(token),
        **own_group_options(),
    )


def _forward_lines(stream: IO[str], deliver: Callable[[str], None]) -> None:
    with stream:
        for line in stream:
            deliver(line.rstrip("\n"))


def _parse_event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _error_of(event: Mapping[str, Any]) -> LesionLensError:
    kind = ERRORS_BY_CODE.get(int(event.get("code", 1)), InternalFault)
    return kind(str(event.get("message", "")), str(event.get("remedy", "")), str(event.get("detail", "")))


def _crash_error(code: int, log: str) -> LesionLensError:
    if sys.platform != "win32" and code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return EnvironmentFault(
            "The work was stopped by the system, most likely because memory ran out.",
            "Close other programs or choose the lean mode, then try again.",
            log,
        )
    return InternalFault(
        f"The program that does the work ended unexpectedly (code {code}).",
        "Look at the log; please report this fault with it.",
        log,
    )
