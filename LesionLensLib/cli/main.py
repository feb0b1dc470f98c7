"""The border of the program: every way a run can end becomes an exit code and at most two plain lines."""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

from LesionLensLib.cli.parser import command_module, make_parser, with_signed_values
from LesionLensLib.errors import Cancelled, EnvironmentFault, InternalFault, LesionLensError
from LesionLensLib.interrupts import cancel_on_signals
from LesionLensLib.progress import make_progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code of the public contract (0, 1, 2, 3, 130)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = _wants_json(arguments)
    try:
        with cancel_on_signals():
            return _dispatch(arguments)
    except (Cancelled, KeyboardInterrupt):
        _say_error({"code": Cancelled.exit_code, "message": "cancelled", "remedy": ""}, as_json)
        return Cancelled.exit_code
    except BrokenPipeError:
        # The parent that read the events is gone, so nobody waits for the result; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Cancelled.exit_code
    except LesionLensError as error:
        return _end(error, as_json)
    except MemoryError as error:
        fault = EnvironmentFault(
            "There is not enough memory for this image.", "Close other programs or add --lean.", repr(error)
        )
        return _end(fault, as_json)
    except Exception as error:  # the border: the whole detail goes into the log
        fault_of_ours = InternalFault(
            f"LesionLens failed in a way it should not ({type(error).__name__}).",
            "Please report this with the log.",
            traceback.format_exc(),
        )
        return _end(fault_of_ours, as_json)


def _dispatch(arguments: list[str]) -> int:
    options = make_parser(arguments).parse_args(with_signed_values(arguments))
    return command_module(options.command).run(options, make_progress(options.progress))


def _end(error: LesionLensError, as_json: bool) -> int:
    from LesionLensLib.report import without_paths  # not at the top: the help must not wait for numpy

    detail = without_paths(error.detail)
    record = {"code": error.exit_code, "message": error.message, "remedy": error.remedy, "detail": detail}
    if isinstance(error, InternalFault):
        log = _write_log(detail or without_paths("".join(traceback.format_exception(error))))
        record["remedy"] = f"{error.remedy} Log: {log}"
    _say_error(record, as_json)
    return error.exit_code


def _say_error(record: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"event": "error", **record}), flush=True)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")  # the bar, if one was drawn
    if record["code"] == Cancelled.exit_code:
        print("cancelled", file=sys.stderr)
        return
    print(f"error: {record['message']}", file=sys.stderr)
    print(f"remedy: {record['remedy']}", file=sys.stderr)


def _write_log(text: str) -> str:
    """Write a log only its owner can read and return its path; an empty path where not even that is possible."""
    try:
        handle, path = tempfile.mkstemp(prefix="lesionlens-", suffix=".log", text=True)
    except OSError:
        return "none could be written"
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    return path


def _wants_json(arguments: Sequence[str]) -> bool:
    return "--progress=json" in arguments or ("--progress", "json") in itertools.pairwise(arguments)
