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
FARTHEST_MM = 1e5
# The largest that stand-ins for missing DICOM tags may be: weight of a body, dose, minutes from injection to scan.
ASSUMED_LIMITS = {"assumed_weight_kg": 500.0, "assumed_dose_mbq": 5000.0, "assumed_uptake_minutes": 1440.0}
EXPLANATIONS = ("occlusion", "smocam", "gradcam", "attention", "features")
SURFACE_PATTERN = re.compile(r"none|(lesion|brain)(\+(?P<beyond>\d{1,3}(\.\d+)?)mm)?")
# 999 mm around a lesion took 6 GB.
MOST_BEYOND_MM = 100.0
MOST_CUBE_MM = 100.0
FILLS = ("mean", "local-mean", "zero", "blurred")
MOST_HALVINGS = 4
SMOCAM_MODES = ("paper", "preserving")
SURFACE_WAYS = ("contour", "points")
EXPORTS = ("ply", "obj")
# What of an explanation only some methods use.
OPTIONS_OF_METHODS = {
    "size_mm": ("occlusion",), "stride_mm": ("occlusion",), "per_channel": ("occlusion",), "fill": ("occlusion",),
    "coarse_to_fine": ("occlusion",), "within": ("occlusion",), "layer": ("smocam", "gradcam"), "sigma": ("smocam",),
    "mode": ("smocam",),
}  # fmt: skip
RolePaths = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CaseJob:
    """What every job on the images of one case says; paths are text, `kind` names the command.

    With `display` the folder gets what a window needs to show it at once, which is no part of the result.
    With `dicom` the results are written as DICOM objects too; `dicom_source` are the files of the series they belong
    to, none where that is the reference image itself.
    Raises `UserError` for values that no run could use: no input, a role given twice, a transform without its image,
    a seed that is no seed, a device name of unknown form.
    """

    kind: ClassVar[str] = ""

    inputs: RolePaths
    output: str
    model: str
    transforms: RolePaths = ()
    register: bool = False
    device: str = "auto"
    seed: int = 0
    overwrite: bool = False
    scene: bool = False
    lean: bool = False
    display: bool = False
    dicom: bool = False
    dicom_source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _role_paths("inputs", self.inputs))
        object.__setattr__(self, "transforms", _role_paths("transforms", self.transforms))
        if not self.inputs:
            raise UserError("No input image was given.", "Give each channel as --input ROLE=PATH.")
        _check_text("output", self.output)
        _check_text("model", self.model)
        _check_seed(self.seed)
        if not isinstance(self.device, str) or not DEVICE_PATTERN.fullmatch(self.device):
            raise UserError(f"The device {self.device} is not known.", "Use auto, cpu, cuda or cuda:N.")
        object.__setattr__(self, "dicom_source", _paths("dicom_source", self.dicom_source))
        for name in ("register", "overwrite", "scene", "lean", "display", "dicom"):
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

    @property
    def mask_paths(self) -> tuple[str, ...]:
        """The paths of the masks the job names beside its images."""
        return ()

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


@dataclass(frozen=True)
class SegmentJob(CaseJob):
    """What `lesionlens segment` shall do; volumes in ml, the threshold a probability.

    Where `threshold` or `min_volume_ml` is None the model card's value is used. With `quick_estimate` a network that
    measures the lesion load stands beside what was measured, where it is installed. Raises `UserError` as `CaseJob`,
    and for a threshold outside 0..1 and a negative volume.
    """

    kind: ClassVar[str] = "segment"

    model: str = "rsanet-ms"
    brain_mask: str | None = None
    threshold: float | None = None
    min_volume_ml: float | None = None
    quick_estimate: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.brain_mask is not None:
            _check_text("brain_mask", self.brain_mask)
        if not isinstance(self.quick_estimate, bool):
            raise UserError("The job's quick estimate must be true or false.", "Correct the job file.")
        if self.threshold is not None and not _is_number_in(self.threshold, 0.0, 1.0):
            raise UserError(
                f"The threshold {self.threshold} is not a probability.", "Give a number from 0 to 1, for example 0.5."
            )
        if self.min_volume_ml is not None and not _is_number_in(self.min_volume_ml, 0.0, 1e6):
            raise UserError(
                f"The smallest lesion volume {self.min_volume_ml} is not a volume in ml.",
                "Give 0 or a positive number, for example 0.01.",
            )

    @property
    def mask_paths(self) -> tuple[str, ...]:
        """The path of the brain mask, if there is one."""
        return () if self.brain_mask is None else (self.brain_mask,)


@dataclass(frozen=True)
class PredictJob(CaseJob):
    """What `lesionlens predict` shall do: the outcome of the lesion in a mask, or at a point in RAS (mm).

    `brain_mask` is for models of the brain, which else look for it themselves. The `assumed` values stand in for what
    a PET's DICOM files lack, and are noted with the result. Raises `UserError` as `CaseJob`, where not exactly one of
    lesion mask and point is given, and for assumed values that cannot be.
    """

    kind: ClassVar[str] = "predict"

    model: str = "chmfl-sarcoma"
    lesion_mask: str | None = None
    brain_mask: str | None = None
    center_ras: tuple[float, float, float] | None = None
    assumed_weight_kg: float | None = None
    assumed_dose_mbq: float | None = None
    assumed_uptake_minutes: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_place()
        for name in ("lesion_mask", "brain_mask"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        if self.center_ras is not None:
            object.__setattr__(self, "center_ras", _point_ras(self.center_ras))
        for name, highest in ASSUMED_LIMITS.items():
            value = getattr(self, name)
            if value is not None and not (_is_number_in(value, 0.0, highest) and value > 0):
                words = name.replace("_", " ")
                raise UserError(f"The {words} cannot be {value}.", f"Give a number above 0, at most {highest:g}.")

    @property
    def mask_paths(self) -> tuple[str, ...]:
        """The paths of the masks of lesion and brain, if there are any."""
        return tuple(path for path in (self.lesion_mask, self.brain_mask) if path is not None)

    def _check_place(self) -> None:
        if (self.lesion_mask is None) == (self.center_ras is None):
            told = "is given twice, as mask and as point" if self.center_ras is not None else "is not given"
            raise UserError(
                f"The place of the lesion {told}.", "Give either --mask lesion=PATH or --center R,A,S (mm)."
            )


@dataclass(frozen=True)
class ExplainJob(PredictJob):
    """What `lesionlens explain` shall do: show what an answer of any model rests on, by `method`.

    `target` is the output to explain of a model that has several. `size_mm` and `stride_mm` are the cubes of an
    occlusion, None leaves them to the method; `per_channel` explains each channel alone as well. `regions` is a label
    map of regions to sum the map up in, `surface` what it is painted on: none, lesion, lesion+Nmm or brain. Without
    `checks` nothing says how far the map can be believed. A segmentation needs no place: without a mask all lesions
    that it finds are explained.

    Of an occlusion `fill` is what stands in for a cube, None leaves it to the model; `coarse_to_fine` above 0 begins
    with cubes so many times doubled and cuts those that matter; `within` is a label map that the cubes must touch.
    `layer` is a layer of the network by name, `sigma` the spread of the output over patients, `mode` one of
    `SMOCAM_MODES`. `surface_way` is how the surface is made: as the contour of its mask, or of points as the paper has
    it, with these beside it. `exports` are formats of it beside VTP.

    Raises `UserError` as `PredictJob`, and for values that no explanation has.
    """

    kind: ClassVar[str] = "explain"

    method: str = EXPLANATIONS[0]
    target: str | None = None
    size_mm: float | None = None
    stride_mm: float | None = None
    per_channel: bool = False
    regions: str | None = None
    surface: str = "lesion"
    checks: bool = True
    fill: str | None = None
    coarse_to_fine: int = 0
    within: str | None = None
    layer: str | None = None
    sigma: float | None = None
    mode: str = SMOCAM_MODES[0]
    surface_way: str = SURFACE_WAYS[0]
    exports: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_word("method", self.method, EXPLANATIONS)
        self._check_how()
        for name in ("size_mm", "stride_mm"):
            value = getattr(self, name)
            if value is not None and not (_is_number_in(value, 0.0, MOST_CUBE_MM) and value > 0):
                raise UserError(f"A cube cannot be {value} mm.", f"Give a length above 0, at most {MOST_CUBE_MM:g} mm.")
        for name in ("per_channel", "checks"):
            if not isinstance(getattr(self, name), bool):
                raise UserError(f"The job's {name} must be true or false.", "Correct the job file.")
        for name in ("target", "regions", "within", "layer"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        found = SURFACE_PATTERN.fullmatch(self.surface) if isinstance(self.surface, str) else None
        if found is None or float(found["beyond"] or 0) > MOST_BEYOND_MM:
            remedy = f"Use lesion, lesion+Nmm, brain or none, with at most {MOST_BEYOND_MM:g} mm."
            raise UserError(f"There is no surface {self.surface}.", remedy)

    @property
    def mask_paths(self) -> tuple[str, ...]:
        """The paths of the masks of lesion and brain, of the regions and of where to look, if there are any."""
        return (*super().mask_paths, *(path for path in (self.regions, self.within) if path is not None))

    @property
    def unused(self) -> tuple[str, ...]:
        """The options that were given and that the method does not use."""
        own = {field.name: field.default for field in fields(self)}
        return tuple(
            name
            for name, methods in OPTIONS_OF_METHODS.items()
            if self.method not in methods and getattr(self, name) != own[name]
        )

    def _check_how(self) -> None:
        """Check what the methods are asked for beside their cubes."""
        if self.fill is not None:
            _check_word("fill", self.fill, FILLS)
        _check_word("mode", self.mode, SMOCAM_MODES)
        _check_word("way to make a surface", self.surface_way, SURFACE_WAYS)
        object.__setattr__(self, "exports", _paths("exports", self.exports))
        for each in self.exports:
            _check_word("format of a surface", each, EXPORTS)
        halvings = self.coarse_to_fine
        if isinstance(halvings, bool) or not isinstance(halvings, int) or not 0 <= halvings <= MOST_HALVINGS:
            remedy = f"Give a whole number from 0 to {MOST_HALVINGS}."
            raise UserError(f"Cubes cannot be doubled {halvings} times.", remedy)
        if halvings and self.stride_mm not in (None, self.size_mm):
            raise UserError("Cubes that overlap cannot be cut into smaller ones.", "Leave the stride out.")
        if self.sigma is not None and not (_is_number_in(self.sigma, 0.0, math.inf) and self.sigma > 0):
            remedy = "Give the standard deviation of the output over patients."
            raise UserError(f"Sigma is a number above 0, not {self.sigma}.", remedy)

    def _check_place(self) -> None:
        if self.lesion_mask is not None and self.center_ras is not None:
            raise UserError(
                "The place of the lesion is given twice, as mask and as point.",
                "Give either --mask lesion=PATH or --center R,A,S (mm).",
            )


JOB_KINDS: dict[str, type[CaseJob]] = {job.kind: job for job in (SegmentJob, PredictJob, ExplainJob)}


def job_from_json(text: str) -> CaseJob:
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


def _paths(name: str, paths: object) -> tuple[str, ...]:
    if not isinstance(paths, (tuple, list)):
        raise UserError(f"The job's {name} must be a list of paths.", "Correct the job file.")
    for path in paths:
        _check_text(name, path)
    return tuple(paths)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise UserError(f"The job's {name} is empty or not text.", f"Give a {name.replace('_', ' ')}.")


def _check_word(name: str, value: object, words: tuple[str, ...]) -> None:
    if value not in words:
        raise UserError(f"There is no {name} {value}.", f"Use one of: {', '.join(words)}.")


def _check_seed(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise UserError(f"The seed {seed} cannot be used.", f"Give a whole number from 0 to {MAX_SEED}.")


def _point_ras(value: object) -> tuple[float, float, float]:
    if (
        not isinstance(value, (tuple, list))
        or len(value) != 3
        or not all(_is_number_in(part, -FARTHEST_MM, FARTHEST_MM) for part in value)
    ):
        raise UserError("The point of the lesion is not three numbers in mm.", "Write it as, for example, 12.5,-40,88.")
    return float(value[0]), float(value[1]), float(value[2])


def _is_number_in(value: object, low: float, high: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and low <= value <= high
