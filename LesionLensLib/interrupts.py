"""Turns Ctrl-C and a polite kill into `Cancelled`, and keeps them away from moments that must not be cut in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from LesionLensLib.errors import Cancelled

_depth = 0
_pending = False
_finished = False
_more_to_come = False


@contextmanager
def cancel_on_signals() -> Iterator[None]:
    """Raise `Cancelled` in the main thread at SIGINT or SIGTERM; the former handlers come back afterwards.

    Only the first signal counts: an impatient second Ctrl-C must not cut the tidying up in two. Outside of the main
    thread, where Python allows no handlers, this does nothing.
    """
    global _pending, _finished
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _pending = _finished = False
    former = {number: signal.signal(number, _on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold signals back until the block has ended, then raise `Cancelled` if one came."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
    if _pending and not _depth and not _finished:
        raise Cancelled


def mark_finished() -> None:
    """Say that the results stand under their final name: a signal from now on comes too late to cancel anything."""
    global _finished
    _finished = not _more_to_come


@contextmanager
def several_results() -> Iterator[None]:
    """Let a signal cancel the block at any time, although single results in it are finished before others begin."""
    global _more_to_come
    _more_to_come = True
    try:
        yield
    finally:
        _more_to_come = False


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _pending
    if _pending or _finished:
        return
    _pending = True
    if not _depth:
        raise Cancelled
