"""`python -m LesionLensLib.web FOLDER`: serve a result folder on this computer until standard input closes.

Says what happened in JSON lines on standard output: `{"event": "ready", "address": ...}` or an error.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from LesionLensLib.errors import EnvironmentFault, InternalFault, LesionLensError

LOOPBACK = "127.0.0.1"


def main(arguments: Sequence[str]) -> int:
    """Serve the page; an error is printed as one JSON line for the parent, its code is returned."""
    parser = argparse.ArgumentParser(prog="python -m LesionLensLib.web", description=__doc__)
    parser.add_argument("folder", type=Path, help="result folder")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    work = tempfile.mkdtemp(prefix="lesionlens-view-")
    tempfile.tempdir = work  # what Slicer unpacks goes there and with it
    threading.Thread(target=_end_with_parent, args=(work,), daemon=True).start()
    # Trame reads its options from here, and nothing that a user has set for other programs may open another door.
    os.environ["TRAME_ARGS"] = f"--host {LOOPBACK} --port {options.port} --timeout 0 --server"
    os.environ["WSLINK_READY_MSG"] = ""
    try:
        _serve(options.folder)
    except LesionLensError as error:
        return _tell(error)
    except Exception:  # the border of the process: the parent must get the detail
        fault = InternalFault("The page could not be made.", "Please report this with the log.", traceback.format_exc())
        return _tell(fault)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


def _serve(folder: Path) -> None:
    try:
        import trame_slicer  # noqa: F401
    except ImportError as error:
        raise EnvironmentFault(
            "The viewer's environment is not complete: trame-slicer is missing.",
            "Make it with: make view-env, or name a Python that has requirements-view.lock with --python.",
            repr(error),
        ) from error
    from LesionLensLib.web.page import ResultPage

    ResultPage(folder).serve(lambda address: print(json.dumps({"event": "ready", "address": address}), flush=True))


def _end_with_parent(work: str) -> None:
    """A parent that was killed cannot end its child, but the pipe from it closes."""
    while os.read(sys.stdin.fileno(), 1):  # not through the buffer, whose lock the interpreter wants at its end
        pass
    shutil.rmtree(work, ignore_errors=True)
    os._exit(0)


def _tell(error: LesionLensError) -> int:
    record = {"event": "error", "message": error.message, "remedy": error.remedy, "detail": error.detail}
    print(json.dumps(record), flush=True)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
