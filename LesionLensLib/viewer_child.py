"""Finds the Python that has trame-slicer, and runs the page of a result folder there as a child process.

Nothing of the page is imported here: trame-slicer wants another slicer-core than the rest and has its own environment.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from LesionLensLib.errors import EnvironmentFault, InternalFault, LesionLensError, UserError
from LesionLensLib.process import LIBRARY_ROOT, child_environment, kill_tree, own_group_options

VARIABLE = "LESIONLENS_VIEWER_PYTHON"
PACKAGE = "trame_slicer"
ENVIRONMENT = LIBRARY_ROOT / ".venv-view"
MAKE_IT = (
    "Make it with: make view-env, or: python3 -m venv .venv-view, then .venv-view/bin/pip install -r "
    f"requirements-view.lock. A place elsewhere is named with --python or {VARIABLE}."
)
# Started by its path and not with -m, so that a launcher that sets PYTHONPATH anew does no harm.
START_FROM = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('LesionLensLib.web', run_name='__main__', alter_sys=True)"
)
SECONDS_TO_END = 10
ERRORS_BY_CODE = {2: UserError, 3: EnvironmentFault}


def find_viewer_python(named: str | None = None) -> Path:
    """Return the interpreter of the viewer: the one named, that of the variable, `make view-env`'s, or this one.

    Raises `UserError` where the one named is no program, and `EnvironmentFault` where there is none.
    """
    for source, value in (("--python", named), (VARIABLE, os.environ.get(VARIABLE))):
        if value:
            found = shutil.which(Path(value).expanduser())
            if found is None:
                raise UserError(f"{source} names no Python interpreter.", f"Name the program itself. {MAKE_IT}", value)
            return Path(found)
    own = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if own.is_file():
        return own
    if importlib.util.find_spec(PACKAGE) is not None:
        return Path(sys.executable)
    raise EnvironmentFault("The page needs trame-slicer in an environment of its own, which is not there.", MAKE_IT)


class Viewer:
    """The page of one result folder, served by a child process for as long as this lives."""

    def __init__(self, process: subprocess.Popen[str], said: IO[bytes]) -> None:
        self.address = ""
        self._process, self._said = process, said

    def wait_until_ready(self) -> None:
        """Return when the page answers under `address`; raises what the child says went wrong."""
        for line in self._process.stdout or ():
            with suppress(ValueError):  # libraries may print there too
                record: dict[str, Any] = json.loads(line)
                if record["event"] == "error":
                    kind = ERRORS_BY_CODE.get(self._process.wait(SECONDS_TO_END), InternalFault)
                    raise kind(record["message"], record["remedy"], record["detail"])
                self.address = str(record["address"])
                return
        raise self._ended()

    def wait(self) -> None:
        """Return never by itself: raises `EnvironmentFault` when the child ends, and lets `Cancelled` through."""
        self._process.wait()
        raise self._ended()

    def _ended(self) -> LesionLensError:
        self._said.seek(0)
        return EnvironmentFault(
            f"The program that shows the page ended unexpectedly (code {self._process.wait()}).",
            "Check that memory is free and that the packages libegl1 and libgl1-mesa-dri (Debian) are installed.",
            self._said.read()[-4000:].decode(errors="replace"),
        )


@contextmanager
def viewer_of(folder: Path, python: Path, port: int) -> Iterator[Viewer]:
    """Start the page of a result folder; on leaving, the child is asked to end, and killed where it does not."""
    command = [str(python), "-c", START_FROM, str(LIBRARY_ROOT), str(folder.absolute()), f"--port={port}"]
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, encoding="utf-8",
                errors="replace", env=child_environment(), **own_group_options(),
            )  # fmt: skip
        except OSError as error:
            raise EnvironmentFault("The Python of the viewer could not be started.", MAKE_IT, repr(error)) from error
        try:
            yield Viewer(process, said)
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """The child removes what it unpacked when its input closes; only one that hangs is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        kill_tree(process)
    if process.stdout is not None:
        process.stdout.close()
