"""The result folder: it appears whole under its name, or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from LesionLensLib.errors import EnvironmentFault, LesionLensError, UserError
from LesionLensLib.interrupts import mark_finished, undisturbed

REPORT_FILE = "report.json"
RUN_TOKEN = "LESIONLENS_RUN_TOKEN"
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


class ResultFolder:
    """A context in which results are written to `path`, a hidden folder beside the target, renamed at the end.

    Leaving the context by any exception, `Cancelled` included, removes everything that was made. `protected` are the
    paths of inputs: the target may be none of them, nor lie inside or around one. Raises `UserError` where the target
    cannot be used and `EnvironmentFault` where the disk is full.
    """

    def __init__(self, target: Path, overwrite: bool = False, protected: Iterable[Path] = ()) -> None:
        self.target = Path(os.path.realpath(target))
        self.path = self.target.with_name(work_name(self.target.name, os.environ.get(RUN_TOKEN) or uuid.uuid4().hex))
        self._overwrite = overwrite
        self._made_parents: list[Path] = []
        check_target(self.target, overwrite, protected)

    def __enter__(self) -> Self:
        try:
            with undisturbed(), speaking_of_disk(self.target.name):
                self._make_parents()
                self.path.mkdir()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._remove()
            return
        try:
            with undisturbed(), speaking_of_disk(self.target.name):
                self._swap_in()
                mark_finished()
        except BaseException:
            self._remove()
            raise

    def _make_parents(self) -> None:
        missing = [parent for parent in self.target.parents if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir(exist_ok=True)
            self._made_parents.insert(0, parent)

    def _swap_in(self) -> None:
        """Put the new folder under the target's name; an old one is moved aside first and deleted last."""
        check_target(self.target, self._overwrite)  # another run may have written there in the meantime
        old = None
        if self.target.exists():
            old = self.path.with_name(self.path.name + ".old")
            self.target.rename(old)
        try:
            self.path.rename(self.target)
        except OSError:
            if old is not None:
                old.rename(self.target)
            raise
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)

    def _remove(self) -> None:
        with undisturbed_quietly():
            shutil.rmtree(self.path, ignore_errors=True)
            for parent in self._made_parents:
                with suppress(OSError):  # someone else has put something there meanwhile: then it is theirs
                    parent.rmdir()


def work_name(target_name: str, token: str) -> str:
    """Return the name of the hidden folder in which a run identified by `token` builds `target_name`."""
    return f".{target_name}.{token}.partial"


def remove_leftovers(target: Path, token: str) -> None:
    """Remove what a killed run with this token left beside `target`; an old result it had moved aside comes back."""
    real = Path(os.path.realpath(target))
    work = real.with_name(work_name(real.name, token))
    old = work.with_name(work.name + ".old")
    if old.is_dir() and not real.exists():
        old.rename(real)
    for leftover in (work, old):
        shutil.rmtree(leftover, ignore_errors=True)


def check_target(target: Path, overwrite: bool, protected: Iterable[Path] = ()) -> None:
    """Refuse a target that would hide, replace or mix with something else; raises `UserError`."""
    check_apart(target, protected)
    with speaking_of_disk(target.name):
        if not target.exists():
            return
        if not target.is_dir():
            raise UserError(f"The output {target.name} is a file.", "Name a folder with --output.")
        if not any(target.iterdir()):
            return
    if not overwrite:
        raise UserError(
            f"The output folder {target.name} exists and is not empty.", "Choose another folder or add --overwrite."
        )
    if not is_result_folder(target):
        raise UserError(
            f"The folder {target.name} is no result of LesionLens, so it is not overwritten.",
            "Choose another folder, or empty this one yourself.",
        )


def check_apart(target: Path, protected: Iterable[Path]) -> None:
    """Raise `UserError` where the folder `target` (a real path) is, holds or lies inside one of the `protected`."""
    for given in protected:
        path = Path(os.path.realpath(given))
        if path == target or path.is_relative_to(target) or (path.is_dir() and target.is_relative_to(path)):
            raise UserError(
                f"The output folder {target.name} is, holds or lies inside an input.",
                "Choose an output folder apart from the inputs.",
            )


def is_result_folder(folder: Path) -> bool:
    """Return whether a folder holds a report that LesionLens wrote."""
    try:
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (
        isinstance(report, dict) and isinstance(report.get("tool"), dict) and report["tool"].get("name") == "lesionlens"
    )


@contextmanager
def speaking_of_disk(name: str) -> Iterator[None]:
    """Turn what the operating system says about writing `name` into a sentence with a remedy."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, name) from error


def disk_error(error: OSError, name: str) -> LesionLensError:
    """Return the error to show for a failed write of `name`."""
    if error.errno in DISK_FULL:
        return EnvironmentFault(
            "The disk is full: the results could not be written.",
            "Free some space or choose an output folder on another disk.",
            str(error),
        )
    if error.errno in NOT_ALLOWED:
        return UserError(
            f"The output {name} cannot be written: permission denied or read-only.",
            "Choose an output folder where you may write.",
            str(error),
        )
    return UserError(
        f"The output {name} cannot be created ({error.strerror or 'unknown reason'}).",
        "Choose another output folder.",
        str(error),
    )


@contextmanager
def undisturbed_quietly() -> Iterator[None]:
    """Hold signals back as `undisturbed`, but raise nothing: another exception is on its way already."""
    from LesionLensLib.errors import Cancelled

    with suppress(Cancelled), undisturbed():
        yield
