"""The real program in a process that need not load torch first: forked from a server that has loaded it once.

Starting Python and torch takes seconds and the work of a tiny model a part of one; a test that wants many children in
the midst of their work would else mostly meet children that are still starting.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import IO

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["LesionLensLib.cli.run", "LesionLensLib.inference.segment"])


class ForkedChild:
    """What `ChildRun` needs of a `Popen`: pid, streams, `poll` and `wait`; the process leads a group of its own."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        ours, theirs = zip(*(CONTEXT.Pipe(duplex=False) for _ in range(2)), strict=True)
        self._process = CONTEXT.Process(target=_work, args=(list(arguments), *theirs, dict(environment)))
        self._process.start()
        for end in theirs:
            end.close()
        self.pid: int = self._process.pid or 0
        self.stdout, self.stderr = (_text_of(end) for end in ours)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the process runs."""
        self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end."""
        self._process.join(timeout)
        return self.poll()


def start(command: Sequence[str], token: str) -> ForkedChild:
    """Stand in for `LesionLensLib.process._start`: run what stands behind the program in `command`."""
    from LesionLensLib.process import child_environment

    return ForkedChild(command[command.index("run") :], child_environment(token))


def _text_of(end: Connection) -> IO[str]:
    stream = os.fdopen(os.dup(end.fileno()), "r", encoding="utf-8", errors="replace")
    end.close()
    return stream


def _work(arguments: list[str], output: Connection, errors: Connection, environment: dict[str, str]) -> None:
    os.setsid()
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    output.close()
    errors.close()
    os.environ.update(environment)
    from LesionLensLib.cli.main import main

    os._exit(main(arguments))
