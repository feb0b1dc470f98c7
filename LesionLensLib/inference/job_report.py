"""What the runs of all kinds of job share at their end: warnings, the report, the scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from LesionLensLib.dicom_out.wish import source_files
from LesionLensLib.errors import EnvironmentFault, InternalFault, UserError
from LesionLensLib.inference.case import Case, transform_files
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inputs import Finding
from LesionLensLib.jobs import CaseJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.report import complete_report, output_entries, write_report
from LesionLensLib.results import speaking_of_disk
from LesionLensLib.scene_child import draw_in_child


@dataclass(frozen=True)
class JobRun:
    """What stays the same from the first phase of a run to the last, whatever the kind of job."""

    card: ModelCard
    device: DeviceChoice
    clock: PhaseClock

    def warn(self, findings: Sequence[Finding]) -> None:
        """Tell the user every finding that is a warning."""
        for finding in findings:
            if finding.severity == "warning":
                self.clock.progress.warn(f"{finding.text} {finding.remedy}".strip())


@dataclass(frozen=True)
class Told:
    """What a run has to say in its report beside who it was: settings, steps of the ladder, findings, the result."""

    settings: dict[str, Any]
    ladder: tuple[str, ...]
    findings: tuple[Finding, ...]
    result: dict[str, Any]


def finish_job(
    folder: Path, job: CaseJob, run: JobRun, case: Case, told: Told, brain_mask: str | None = None
) -> dict[str, Any]:
    """Write the DICOM objects and the report, draw the scene where the job asks for it, and return the report.

    The scene shows the report, and what could not be drawn becomes a finding: hence the report is written twice then.
    What is prepared for a window comes after the report, whose outputs do not name it.
    """
    findings = told.findings
    if job.dicom:
        findings = (*findings, *_add_dicom(folder, job, run, case, told))
    with speaking_of_disk(folder.name):
        report = _write_report(folder, job, run, case, told, findings)
    if job.display and find_spec("vtkmodules") is not None:  # where it is missing, the window makes it itself
        _prepare_display(folder, run, case, report)
    if not job.scene:
        return report
    with run.clock.phase("scene", "drawing the scene"):
        findings = (*findings, *_add_scene(folder, job, run, case, brain_mask))
    with speaking_of_disk(folder.name):
        return _write_report(folder, job, run, case, told, findings)


def _prepare_display(folder: Path, run: JobRun, case: Case, report: dict[str, Any]) -> None:
    from LesionLensLib.display.prepared import write_prepared  # VTK is optional

    with run.clock.phase("scene", "preparing what is shown"), speaking_of_disk(folder.name):
        write_prepared(folder, report, case.volumes[run.card.reference_role], case.brain_mask)


def _add_dicom(folder: Path, job: CaseJob, run: JobRun, case: Case, told: Told) -> tuple[Finding, ...]:
    """Write the DICOM objects; where the source series does not allow them that is a warning, the results stand."""
    from LesionLensLib.dicom_out.write import write_dicom  # highdicom is optional

    try:
        files = source_files(job.dicom_source, case.paths[run.card.reference_role])
        write_dicom(folder, files, run.card, told.result)
    except UserError as error:
        findings = (Finding("warning", "dicom-missing", error.message, error.remedy),)
        run.warn(findings)
        return findings
    return ()


def _add_scene(folder: Path, job: CaseJob, run: JobRun, case: Case, brain_mask: str | None) -> tuple[Finding, ...]:
    """Draw the scene; what could not be drawn is a warning, since the results stand without it."""
    try:
        images = {**job.input_paths, **{role: str(path) for role, path in case.paths.items()}}
        draw_in_child(folder, images, run.card.reference_role, brain_mask, transform_files(folder, job, case))
    except (EnvironmentFault, InternalFault) as error:
        findings = (Finding("warning", "scene-incomplete", error.message, error.remedy),)
        run.warn(findings)
        return findings
    return ()


def _write_report(
    folder: Path, job: CaseJob, run: JobRun, case: Case, told: Told, findings: Sequence[Finding]
) -> dict[str, Any]:
    card = run.card
    report = complete_report(
        {
            "model": {
                "id": card.id,
                "version": card.version,
                "sha256": card.weights.sha256,
                "evidence": card.evidence,
                "reference_role": card.reference_role,
            },
            "device": run.device.device,
            "settings": told.settings,
            "seed": job.seed,
            "inputs": list(case.entries),
            "findings": [finding.to_dict() for finding in findings],
            "ladder": list(told.ladder),
            "timing": run.clock.seconds,
            "outputs": output_entries(folder),
            "result": told.result,
        }
    )
    write_report(folder, report)
    return report
