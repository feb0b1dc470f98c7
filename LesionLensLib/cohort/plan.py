"""Which cases need work: those that have no result yet, or one of other images, another model, other settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import LesionLensLib
from LesionLensLib.cohort.fields import scalar_fields
from LesionLensLib.cohort.fingerprint import model_digest, stamps_of
from LesionLensLib.cohort.folder import CohortFolder
from LesionLensLib.cohort.order import Failure, Order, Outcome
from LesionLensLib.cohort.record import read_record, read_whole_report
from LesionLensLib.cohort.template import CaseTemplate, digest_of, paths_of
from LesionLensLib.errors import LesionLensError
from LesionLensLib.jobs import CaseJob
from LesionLensLib.manifest import ManifestRow


@dataclass
class Planner:
    """Turns rows of the manifest into orders, or at once into what is known of them."""

    template: CaseTemplate
    folder: CohortFolder
    threads: int
    resume: bool
    _model: str = ""

    def plan(self, row: ManifestRow) -> Order | Outcome:
        """Return the order for a case; or its failure where it can have no job, or the result that it has.

        Files are not read here, only looked at: one whose stamp has changed is hashed by the worker, and where its
        bytes are the same the result stays.
        """
        try:
            job = self.template.job_of(row, str(self.folder.new_work_folder(row.case)))
            stamps = stamps_of(paths_of(job))
        except LesionLensError as error:
            return Outcome(row.case, failure=Failure(error.exit_code, error.message, error.remedy))
        order = self._order(row, job)
        kept = self._kept(order, stamps) if self.resume else None
        return order if kept is None else kept

    def finished_meanwhile(self, row: ManifestRow) -> Outcome | None:
        """Return the result of a case that a worker finished without its answer having arrived, else None."""
        try:
            job = self.template.job_of(row, str(self.folder.new_work_folder(row.case)))
            found = self._kept(self._order(row, job), stamps_of(paths_of(job)))
        except LesionLensError:
            return None
        return None if found is None else replace(found, computed=True)

    def _order(self, row: ManifestRow, job: CaseJob) -> Order:
        self._model = self._model or model_digest(job)
        return Order(
            case=row.case,
            task=self.template.task,
            job=job.to_json(),
            target=str(self.folder.case_folder(row.case)),
            mark=str(self.folder.mark),
            model=self._model,
            settings=digest_of(self.template.settings_of(job)),
            version=LesionLensLib.__version__,
            threads=self.threads,
        )

    def _kept(self, order: Order, stamps: dict[str, str]) -> Outcome | None:
        record = read_record(Path(order.target))
        if record is None or not record.fingerprint.has_stamps(stamps):
            return None
        if (record.fingerprint.model, record.fingerprint.settings) != (order.model, order.settings):
            return None
        report = read_whole_report(Path(order.target))
        if report is None:
            return None
        return Outcome(order.case, record.seconds, scalar_fields(report), computed=False)
