"""One case at a time on a GPU, while the others of the same machine read and prepare theirs on the CPU.

The gate is a lock on a file, which the operating system takes back from a worker that is killed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

GATE_VARIABLE = "LESIONLENS_GPU_GATE"
# The phases of each task in which a network computes on the device; all others are work for the CPU.
GPU_PHASES = {
    "segment": {"network"},
    "predict": {"network"},
    "explain": {"prepare", "explain", "sides", "judge"},
}


class GpuGate:
    """Held by one process at a time: shut it with `phase` of a GPU phase, open it with any other, or `release`.

    Without a file, as on a CPU, nobody waits.
    """

    def __init__(self, task: str, path: Path | None) -> None:
        self._phases = GPU_PHASES[task]
        self._path = path
        self._file: IO[bytes] | None = None

    @classmethod
    def of_this_worker(cls, task: str) -> GpuGate:
        """Return the gate that the worker was started with."""
        path = os.environ.get(GATE_VARIABLE)
        return cls(task, Path(path) if path else None)

    @property
    def is_held(self) -> bool:
        """Whether this process is the one that may compute on the GPU."""
        return self._file is not None

    def phase(self, name: str) -> None:
        """Say which phase has begun; waits for the GPU where the phase needs it."""
        if name not in self._phases:
            self.release()
        elif self._path is not None and self._file is None:
            self._file = _locked(self._path)

    def release(self) -> None:
        """Let the next one have the GPU, with the memory that torch would keep for later."""
        if self._file is None:
            return
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        self._file.close()
        self._file = None


def _locked(path: Path) -> IO[bytes]:
    if sys.platform == "win32":
        raise NotImplementedError("on Windows every GPU has one worker, which needs no gate")
    import fcntl

    file = path.open("ab")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file
