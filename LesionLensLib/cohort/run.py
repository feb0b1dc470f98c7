"""A whole cohort: what is there already is kept, the rest goes to the workers, and the tables grow as cases finish."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from LesionLensLib.cohort.engine import Engine, open_engine
from LesionLensLib.cohort.folder import REPORT_FILE, TABLE_FILE, CohortFolder
from LesionLensLib.cohort.order import Failure, Order, Outcome
from LesionLensLib.cohort.plan import Planner
from LesionLensLib.cohort.record import write_whole
from LesionLensLib.cohort.request import CohortRequest, check_rows, template_of
from LesionLensLib.cohort.summary import FINISHED, INTERRUPTED, RUNNING, Cohort, cohort_report
from LesionLensLib.cohort.table import cohort_table
from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.interrupts import several_results
from LesionLensLib.manifest import read_manifest
from LesionLensLib.progress import Progress
from LesionLensLib.results import speaking_of_disk, undisturbed_quietly

SAVE_EVERY_S, WAIT_S, SAY_NO_WORKERS_AFTER_S = 2.0, 0.5, 15.0
NOT_SEEN = "A worker does not see that the run goes on."
NOT_SEEN_REMEDY = "Choose an output folder that all workers share, then run again with --resume."


def run_cohort(request: CohortRequest, progress: Progress) -> dict[str, Any]:
    """Do the task with every case of the manifest and return the report of the cohort.

    A case that fails has its reason in `cohort.csv` and stops no other. Raises `UserError` and `EnvironmentFault` for
    what would fail every case, and `Cancelled`, with the finished cases kept.
    """
    rows = read_manifest(request.manifest, missing_files=True)
    template, card = template_of(request)
    check_rows(rows, card)
    engine = open_engine(request.workers, request.scheduler, request.settings.get("device", "auto"), request.threads)
    inputs = {path for row in rows for path in row.files.values() if path.exists()}
    protected = [request.manifest, card.folder, *inputs]
    folder = CohortFolder(request.output, request.task, request.resume, request.overwrite, protected)
    with several_results(), folder:
        planner = Planner(template, folder, request.threads, request.resume)
        run = CohortRun(Cohort(request, card, rows, dict(request.settings)), folder, progress)
        run.save(RUNNING)
        try:
            for row in rows:
                run.add(planner.plan(row))
            if run.waiting:
                with engine as workers:
                    run.drive(workers)
        except BaseException:
            with undisturbed_quietly():
                run.outcomes |= _finished_meanwhile(planner, run)
                run.save(INTERRUPTED)
                if not run.outcomes:
                    folder.withdraw()
            raise
        return run.save(FINISHED)


def _finished_meanwhile(planner: Planner, run: CohortRun) -> dict[str, Outcome]:
    """Return the cases that were put under their name while nobody listened any more."""
    unknown = [row for row in run.cohort.rows if row.case not in run.outcomes]
    found = {row.case: planner.finished_meanwhile(row) for row in unknown}
    return {case: outcome for case, outcome in found.items() if outcome is not None}


@dataclass
class CohortRun:
    """The cases of a running cohort: those that wait, the number under way, and what came of the others."""

    cohort: Cohort
    folder: CohortFolder
    progress: Progress
    waiting: deque[Order] = field(default_factory=deque)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _under_way: int = 0
    _saved: float = 0.0
    _idle_since: float = field(default_factory=time.monotonic)

    def add(self, planned: Order | Outcome) -> None:
        """Take a case in: to be done, or done or failed already."""
        if isinstance(planned, Order):
            self.waiting.append(planned)
        else:
            self._take(planned)

    def drive(self, engine: Engine) -> None:
        """Have all waiting cases done; the mark goes before the engine ends, so that workers stop at once."""
        try:
            self._tell("starting the workers")
            while self.waiting or self._under_way:
                while self.waiting and engine.free() > 0:
                    engine.submit(self.waiting.popleft())
                    self._under_way += 1
                self._look_for_workers()
                for outcome in engine.finished(WAIT_S):
                    self._under_way -= 1
                    self._take(outcome)
        finally:
            self.folder.stop_waiting()

    def save(self, state: str) -> dict[str, Any]:
        """Write both tables and return the report."""
        report = cohort_report(self.cohort, self.outcomes, state)
        with speaking_of_disk(self.folder.path.name):
            write_whole(self.folder.path / TABLE_FILE, cohort_table(self.cohort.rows, self.outcomes))
            text = json.dumps(report, indent=2, allow_nan=False) + "\n"
            write_whole(self.folder.path / REPORT_FILE, text)
        self._saved = time.monotonic()
        return report

    def _take(self, outcome: Outcome) -> None:
        if outcome.cancelled:
            failure = Failure(EnvironmentFault.exit_code, NOT_SEEN, NOT_SEEN_REMEDY)
            outcome = Outcome(outcome.case, failure=failure)
        self.outcomes[outcome.case] = outcome
        if outcome.failure is not None:
            self.folder.drop_outdated(outcome.case)
            self.progress.warn(f"{outcome.case}: {outcome.failure.message} {outcome.failure.remedy}")
        self._tell("")
        if time.monotonic() - self._saved > SAVE_EVERY_S:
            self.save(RUNNING)

    def _tell(self, text: str) -> None:
        total = len(self.cohort.rows)
        failed = sum(outcome.failure is not None for outcome in self.outcomes.values())
        said = f"{len(self.outcomes)} of {total} cases" + (f", {failed} without result" if failed else "")
        self.progress.update("cases", len(self.outcomes) / total, f"{said}, {text}" if text else said)

    def _look_for_workers(self) -> None:
        """Say once that nobody works: a cluster may have to be started first, and then the run simply goes on."""
        if self._under_way:
            self._idle_since = time.monotonic()
        elif self.waiting and time.monotonic() - self._idle_since > SAY_NO_WORKERS_AFTER_S:
            self.progress.warn("The cluster has no worker for this task yet; the run waits for one.")
            self._idle_since = float("inf")
