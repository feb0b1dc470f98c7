"""A finished case comes under its name: by one renaming, so that it is there whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path


def publish(made: Path, target: Path, is_answer: Callable[[Path], bool]) -> bool:
    """Rename the folder `made` to `target` and return True; what stood there is deleted.

    Returns False, and drops `made`, where `target` already holds the answer: a worker thought lost may finish its case
    beside the one that does it again, and of two equal folders one is enough. `is_answer` tells. Raises `OSError`.
    """
    if target.exists():
        if is_answer(target):
            shutil.rmtree(made)
            return False
        _move_aside(target, made.parent)
    try:
        made.rename(target)
    except OSError:
        if not is_answer(target):  # someone else was faster by a moment
            raise
        shutil.rmtree(made)
        return False
    return True


def _move_aside(target: Path, work: Path) -> None:
    old = work / f"{target.name}.{uuid.uuid4().hex}.old"
    target.rename(old)
    shutil.rmtree(old, ignore_errors=True)
