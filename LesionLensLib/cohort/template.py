"""From a row of the manifest to the job of that case: the settings are the same for all, images and masks its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import LesionLensLib
from LesionLensLib.errors import UserError
from LesionLensLib.jobs import JOB_KINDS, CaseJob
from LesionLensLib.manifest import ManifestRow

# Column of the manifest -> field of the job that takes it, for each task.
MASK_FIELDS: dict[str, dict[str, str]] = {
    "segment": {"brain": "brain_mask"},
    "predict": {"lesion": "lesion_mask", "brain": "brain_mask"},
    "explain": {"lesion": "lesion_mask", "brain": "brain_mask", "regions": "regions"},
}
# What a job says beside its settings: where it reads and writes, and the model, whose hash counts and not its place.
_NOT_SETTINGS = {
    "inputs", "output", "model", "transforms", "overwrite", "dicom_source", "center_ras",
    *(field for fields in MASK_FIELDS.values() for field in fields.values()),
}  # fmt: skip


@dataclass(frozen=True)
class CaseTemplate:
    """The job of every case, without its images: task, model (id or absolute path), its channels, other job fields."""

    task: str
    model: str
    roles: tuple[str, ...]
    settings: Mapping[str, Any]

    def job_of(self, row: ManifestRow, output: str) -> CaseJob:
        """Return the job of one case, all paths absolute; raises `UserError` where the row cannot make one."""
        missing = [role for role in self.roles if not row.has(role)]
        if missing:
            raise UserError(
                f"The case has no {' and no '.join(missing)} image.", "Name the file in its line of the manifest."
            )
        masks = {field: _absolute(row, column) for column, field in MASK_FIELDS[self.task].items() if row.has(column)}
        fields = {**self.settings, **masks}
        inputs = tuple((role, _absolute(row, role)) for role in self.roles)
        return JOB_KINDS[self.task](inputs=inputs, output=output, model=self.model, **fields)

    def settings_of(self, job: CaseJob) -> dict[str, Any]:
        """Return what of a job makes a difference to its results, beside images, masks and model."""
        record = json.loads(job.to_json())
        settings = {name: value for name, value in record.items() if name not in _NOT_SETTINGS}
        return {**settings, "version": LesionLensLib.__version__}


def paths_of(job: CaseJob) -> dict[str, str]:
    """Return every file and folder that a case's job reads, by the column of the manifest that names it."""
    columns = {field: column for column, field in MASK_FIELDS[job.kind].items()}
    masks = {column: getattr(job, field) for field, column in columns.items() if getattr(job, field) is not None}
    return {**job.input_paths, **masks}


def digest_of(value: object) -> str:
    """Return the SHA-256 of a JSON value, whatever the order of its fields."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _absolute(row: ManifestRow, column: str) -> str:
    return str(row.files[column].absolute())
