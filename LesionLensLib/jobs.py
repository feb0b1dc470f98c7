"""A job: the frozen, serialisable description of one piece of work that every door hands to the one program."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from LesionLensLib.errors import UserError

JOB_SCHEMA = 1
DEVICE_PATTERN = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
MAX_SEED = 2**32 - 1
RolePaths = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SegmentJob:
    """What `lesionlens segment` shall do; paths are text, volumes in ml, the threshold a probability.

    Where `threshold` or `min_volume_ml` is None the model card's value is used.
    Raises `UserError` for values that no run could use: no input, a role given twice, a threshold outside 0..1, a
    negative volume, a number that is not finite, a device name of unknown form.
    """

    kind: ClassVar[str] = "segment"

    inputs: RolePaths
    output: str
    model: str = "rsanet-ms"
    brain_mask: str | None = None
    transforms: RolePaths = ()
    register: bool = False
    threshold: float | None = None
    min_volume_ml: float | None = None
    device: str = "auto"
    seed: int = 0
    overwrite: bool = False
    scene: bool = False
    lean: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _role_paths("inputs", self.inputs))
        object.__setattr__(self, "transforms", _role_paths("transforms", self.transforms))
        if not self.inputs:
            raise UserError("No input image was given.", "Give each channel as --input ROLE=PATH.")
        _check_text("output", self.output)
        _check_text("model", self.model)
        if self.brain_mask is not None:
            _check_text("brain_mask", self.brain_mask)
        _check_numbers(self)
        for name in ("register", "overwrite", "scene", "lean"):
            if not isinstance(getattr(self, name), bool):
                raise UserError(f"The job's {name} must be true or false.", "Correct the job file.")
        roles = {role for role, _ in self.inputs}
        stray = [role for role, _ in self.transforms if role not in roles]
        if stray:
            raise UserError(
                f"A transform is given for {stray[0]}, but no image of that role.",
                f"Give --input {stray[0]}=PATH too, or leave the transform out.",
            )

    @property
    def input_paths(self) -> dict[str, str]:
        """The path of each role."""
        return dict(self.inputs)

    def to_json(self) -> str:
        """Return the job as JSON text; `from_json` restores an equal job."""
        return json.dumps({"schema": JOB_SCHEMA, "kind": self.kind, **asdict(self)}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild a job from `to_json`; raises `UserError` for anything else, unknown fields included."""
        return cls._from_record(_parse(text))

    @classmethod
    def _from_record(cls, record: dict[str, Any]) -> Self:
        values = {name: value for name, value in record.items() if name not in ("schema", "kind")}
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise UserError(
                f"The job has an unknown field: {unknown[0]}.",
                "Write the job with the same version of LesionLens that runs it.",
            )
        missing = sorted({"inputs", "output"} - set(values))
        if missing:
            raise UserError(f"The job lacks the field {missing[0]}.", "Complete the job file.")
        return cls(**values)


JOB_KINDS = {SegmentJob.kind: SegmentJob}


def job_from_json(text: str) -> SegmentJob:
    """Rebuild a job of any kind from its JSON text; raises `UserError` if it is not one."""
    record = _parse(text)
    kind = record.get("kind")
    if kind not in JOB_KINDS:
        raise UserError(f"The job is of an unknown kind: {kind}.", f"Known kinds: {', '.join(sorted(JOB_KINDS))}.")
    return JOB_KINDS[kind]._from_record(record)


def _parse(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise UserError("The job file is not valid JSON.", "Write it again from a job object.", str(error)) from error
    if not isinstance(record, dict):
        raise UserError("The job file does not hold a job.", "Write it again from a job object.")
    if record.get("schema") != JOB_SCHEMA:
        raise UserError(
            f"The job file has schema {record.get('schema')}, this program reads schema {JOB_SCHEMA}.",
            "Write the job with the same version of LesionLens that runs it.",
        )
    return record


def _role_paths(name: str, pairs: object) -> RolePaths:
    if not isinstance(pairs, (tuple, list)):
        raise UserError(f"The job's {name} must be a list of role and path.", "Correct the job file.")
    result = []
    for pair in pairs:
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(p, str) and p for p in pair)):
            raise UserError(f"The job's {name} must be pairs of role and path.", "Give each as ROLE=PATH.")
        result.append((pair[0], pair[1]))
    roles = [role for role, _ in result]
    twice = sorted({role for role in roles if roles.count(role) > 1})
    if twice:
        raise UserError(f"{twice[0]} is given twice.", f"Give one path for {twice[0]}.")
    return tuple(result)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise UserError(f"The job's {name} is empty or not text.", f"Give a {name.replace('_', ' ')}.")


def _check_numbers(job: SegmentJob) -> None:
    if job.threshold is not None and not _is_number_in(job.threshold, 0.0, 1.0):
        raise UserError(
            f"The threshold {job.threshold} is not a probability.", "Give a number from 0 to 1, for example 0.5."
        )
    if job.min_volume_ml is not None and not _is_number_in(job.min_volume_ml, 0.0, 1e6):
        raise UserError(
            f"The smallest lesion volume {job.min_volume_ml} is not a volume in ml.",
            "Give 0 or a positive number, for example 0.01.",
        )
    if isinstance(job.seed, bool) or not isinstance(job.seed, int) or not 0 <= job.seed <= MAX_SEED:
        raise UserError(f"The seed {job.seed} cannot be used.", f"Give a whole number from 0 to {MAX_SEED}.")
    if not isinstance(job.device, str) or not DEVICE_PATTERN.fullmatch(job.device):
        raise UserError(f"The device {job.device} is not known.", "Use auto, cpu, cuda or cuda:N.")


def _is_number_in(value: object, low: float, high: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and low <= value <= high
