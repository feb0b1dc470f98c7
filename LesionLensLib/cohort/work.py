"""What a worker does with an order: run the case in a folder of its own, and put it under its name when it is whole."""

from __future__ import annotations

import shutil
import threading
import time
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import LesionLensLib
from LesionLensLib.cohort.fields import scalar_fields
from LesionLensLib.cohort.fingerprint import Fingerprint, marks_of, model_digest, stamps_of
from LesionLensLib.cohort.gpu_gate import GpuGate
from LesionLensLib.cohort.order import Failure, Order, Outcome
from LesionLensLib.cohort.publish import publish
from LesionLensLib.cohort.record import CaseRecord, read_record, read_whole_report
from LesionLensLib.cohort.template import paths_of
from LesionLensLib.cohort.threads import limited_threads
from LesionLensLib.errors import Cancelled, EnvironmentFault, InternalFault, LesionLensError
from LesionLensLib.jobs import CaseJob, job_from_json
from LesionLensLib.report import without_paths
from LesionLensLib.results import speaking_of_disk
from LesionLensLib.runners import run_case_job

LOOK_EVERY_S = 1.0
# Threads, seeds and handlers belong to the whole process: a worker with several threads still does one case at a time.
_one_at_a_time = threading.Lock()


class CaseProgress:
    """Stops a case that nobody waits for any more, and passes the GPU from case to case; says nothing."""

    def __init__(self, mark: Path, gate: GpuGate) -> None:
        self._mark, self._gate = mark, gate
        self._looked = time.monotonic()

    def update(self, phase: str, fraction: float, text: str) -> None:
        """Raise `Cancelled` where the mark is gone; it is looked for once a second, for it may lie on a server."""
        now = time.monotonic()
        if now - self._looked > LOOK_EVERY_S:
            self._looked = now
            if not self._mark.exists():
                raise Cancelled
        self._gate.phase(phase)

    def warn(self, text: str) -> None:
        """Say nothing: warnings stand in the report of the case."""

    def result(self, payload: dict[str, object]) -> None:
        """Say nothing: the result stands in the report of the case."""


def do_case(order: Order) -> Outcome:
    """Do one case and return what came of it; never raises for anything that belongs to the case."""
    with _one_at_a_time:
        begun = time.perf_counter()
        failed = partial(_failed, order, begun)
        try:
            return _do(order, begun)
        except Cancelled:
            return Outcome(order.case, cancelled=True)
        except LesionLensError as error:
            return failed(Failure(error.exit_code, error.message, error.remedy, without_paths(error.detail)))
        except MemoryError as error:
            message = "There is not enough memory for this image."
            return failed(Failure(3, message, "Use fewer workers, or add --lean.", repr(error)))
        except Exception as error:  # one bad case never stops the others; the whole detail goes into the report
            message = f"LesionLens failed in a way it should not ({type(error).__name__})."
            detail = without_paths(traceback.format_exc())
            return failed(Failure(InternalFault.exit_code, message, "Please report this with the detail.", detail))


def answer_of(folder: Path, wanted: Fingerprint) -> tuple[CaseRecord, dict[str, Any]] | None:
    """Return record and report of a case's folder where it is whole and made from just what is wanted, else None."""
    record, report = read_record(folder), read_whole_report(folder)
    if record is None or report is None or not record.fingerprint.same_result(wanted):
        return None
    return record, report


def _do(order: Order, begun: float) -> Outcome:
    _check_worker(order)
    job = job_from_json(order.job)
    target, made = Path(order.target), Path(job.output)
    paths = paths_of(job)
    stamps = stamps_of(paths)
    if model_digest(job) != order.model:
        raise EnvironmentFault(
            "The worker has another copy of the model, or it was changed during the run.",
            "Give all workers the same model folder, then run again with --resume.",
        )
    wanted = Fingerprint(marks_of(paths, stamps), order.model, order.settings)
    found = answer_of(target, wanted)
    if found is not None:
        record, report = found
        replace(record, fingerprint=wanted).write(target)  # with stamps of today, which spare the next hashing
        return Outcome(order.case, record.seconds, scalar_fields(report), computed=False)
    report = _run(order, job)
    seconds = round(time.perf_counter() - begun, 3)
    with speaking_of_disk(target.name):
        CaseRecord(order.case, order.task, wanted, seconds).write(made)
        publish(made, target, lambda folder: answer_of(folder, wanted) is not None)
    return Outcome(order.case, seconds, scalar_fields(report))


def _run(order: Order, job: CaseJob) -> dict[str, Any]:
    gate = GpuGate.of_this_worker(order.task)
    try:
        with limited_threads(order.threads):
            return run_case_job(job, CaseProgress(Path(order.mark), gate))
    finally:
        gate.release()


def _check_worker(order: Order) -> None:
    """Refuse to work where the answer would not arrive, or would not be the one that is wanted."""
    if order.version != LesionLensLib.__version__:
        raise EnvironmentFault(
            f"A worker has LesionLens {LesionLensLib.__version__}, the cohort is run with {order.version}.",
            "Install the same version for all workers.",
        )
    if not Path(order.target).parent.is_dir():
        raise EnvironmentFault(
            "A worker does not see the output folder.", "Choose a folder that all workers share, under the same path."
        )
    if not Path(order.mark).exists():
        raise Cancelled


def _failed(order: Order, begun: float, failure: Failure) -> Outcome:
    """Return the failure, after removing what the attempt may have left."""
    shutil.rmtree(Path(job_from_json(order.job).output), ignore_errors=True)
    return Outcome(order.case, round(time.perf_counter() - begun, 3), failure=failure)
