"""The output folder of a cohort: a folder a case, `cohort.csv`, `cohort-report.json`; one run at a time writes it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from LesionLensLib.cohort.record import read_record
from LesionLensLib.errors import UserError
from LesionLensLib.results import check_apart, speaking_of_disk

TABLE_FILE, REPORT_FILE = "cohort.csv", "cohort-report.json"
WORK_FOLDER = ".cohort-work"


class CohortFolder:
    """A context that claims the output folder for one run, and leaves nothing half-done in it.

    `work` is where cases are made before they come under their name, `mark` a file that is there while anybody waits
    for them. Raises `UserError` where the folder holds something else, another task, another run, or is near an input.
    """

    def __init__(self, output: Path, task: str, resume: bool, overwrite: bool, protected: Iterable[Path]) -> None:
        self.path = Path(os.path.realpath(output))
        self.work = self.path / WORK_FOLDER
        self.mark = self.work / f"waiting-{uuid.uuid4().hex}"
        self._overwrite = overwrite
        self._lock: int | None = None
        check_apart(self.path, protected)
        self._is_made_here = not self.path.exists()
        self._is_new = _check_contents(self.path, task, resume, overwrite)

    def __enter__(self) -> Self:
        with speaking_of_disk(self.path.name):
            self.path.mkdir(parents=True, exist_ok=True)
            self._claim()
            shutil.rmtree(self.work, ignore_errors=True)  # of a run that was killed
            self.work.mkdir()
            self.mark.touch()
            if self._overwrite:
                self._clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_waiting()
        shutil.rmtree(self.work, ignore_errors=True)
        if self._is_made_here:
            with suppress(OSError):  # it holds results, as it should
                self.path.rmdir()
        if self._lock is not None:
            os.close(self._lock)

    def stop_waiting(self) -> None:
        """Take the mark away: cases that are still under way need not be finished."""
        self.mark.unlink(missing_ok=True)

    def withdraw(self) -> None:
        """Take back the tables of a run that ended before it began, if there was nothing here before."""
        if self._is_new:
            for name in (TABLE_FILE, REPORT_FILE):
                (self.path / name).unlink(missing_ok=True)

    def case_folder(self, case: str) -> Path:
        """Return where the results of a case go."""
        return self.path / case

    def new_work_folder(self, case: str) -> Path:
        """Return a name for a folder to make a case in; it does not exist yet."""
        return self.work / f"{case}.{uuid.uuid4().hex}"

    def drop_outdated(self, case: str) -> None:
        """Delete the earlier result of a case that has none now; a folder of something else stays."""
        folder = self.case_folder(case)
        if read_record(folder) is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _clear(self) -> None:
        for folder in [path for path in self.path.iterdir() if path.is_dir() and read_record(path) is not None]:
            shutil.rmtree(folder)

    def _claim(self) -> None:
        """Lock the folder; the system gives it back when this process ends, however that comes about."""
        if sys.platform == "win32":
            return
        import fcntl

        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            self._lock = None
            raise UserError(
                f"Another run writes into {self.path.name} at present.", "Wait for it, or choose another folder."
            ) from error


def task_of_cohort(path: Path) -> str | None:
    """Return what LesionLens did with the cases of the cohort in a folder, None where the folder holds none."""
    try:
        report = json.loads((path / REPORT_FILE).read_text(encoding="utf-8"))
        return str(report["task"]) if report["tool"]["name"] == "lesionlens" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_contents(path: Path, task: str, resume: bool, overwrite: bool) -> bool:
    """Return whether the folder is new or empty; raises `UserError` for one that may not be written to."""
    with speaking_of_disk(path.name):
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return True
        if not path.is_dir():
            raise UserError(f"The output {path.name} is a file.", "Name a folder with --output.")
    before = task_of_cohort(path)
    if before is None:
        raise UserError(
            f"The folder {path.name} is not empty and no cohort of LesionLens, so nothing is written there.",
            "Choose another folder, or empty this one yourself.",
        )
    if not (resume or overwrite):
        raise UserError(
            f"The output folder {path.name} holds a cohort already.",
            "Add --resume to complete it, --overwrite to begin anew, or choose another folder.",
        )
    if resume and before != task:
        raise UserError(
            f"The output folder {path.name} holds a cohort of --task {before}, whose results would go.",
            f"Choose another folder for --task {task}.",
        )
    return False
