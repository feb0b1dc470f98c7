"""The images of one visit: read, hashed, and tied together by transforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from LesionLensLib.dicom_out.wish import check_dicom_wish
from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.pet_series import PET_MODALITY, read_pet
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.register import read_transform, register_rigid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.series_path import split_series_path
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.dicom_inputs import channel_paths
from LesionLensLib.jobs import CaseJob
from LesionLensLib.model_card import Channel, ModelCard
from LesionLensLib.report import hash_of, input_entry

if TYPE_CHECKING:
    from LesionLensLib.images.suv import SuvFallback

REGISTRATION_FILE = "transforms/{}.tfm"


@dataclass(frozen=True)
class Case:
    """The channels by role in the model's order, the brain mask if one was given, and the report's entries for them.

    `transforms` maps a role to the ITK transform from points of the reference channel to points of that channel;
    `registered` names the roles whose transform was found here rather than given. `paths` says where each channel was
    read from: of a study folder, the one series.
    """

    volumes: Mapping[str, Volume]
    brain_mask: Volume | None
    transforms: Mapping[str, sitk.Transform]
    entries: tuple[dict[str, Any], ...]
    registered: tuple[str, ...] = ()
    paths: Mapping[str, Path] = field(default_factory=dict)

    def on_grid(self, role: str, grid: Grid) -> Volume:
        """Return one channel sampled once, linearly, on a grid in the reference channel's space."""
        return resample(self.volumes[role], grid, "linear", self.transforms.get(role))


def job_paths(job: CaseJob) -> list[Path]:
    """Return every file and folder that the job reads, which its result must leave alone."""
    files = (*(path for _, path in (*job.inputs, *job.transforms)), *job.mask_paths, *job.dicom_source)
    return [split_series_path(path)[0] for path in files]


def check_roles(job: CaseJob, card: ModelCard) -> None:
    """Raise `UserError` unless the job gives exactly the channels the model wants."""
    given = set(job.input_paths)
    wanted = ", ".join(card.roles)
    unknown = sorted(given - set(card.roles))
    if unknown:
        raise UserError(f"{card.id} has no channel {unknown[0]}.", f"Its channels are: {wanted}.")
    missing = [role for role in card.roles if role not in given]
    if missing:
        raise UserError(
            f"{card.id} also needs {' and '.join(missing)}.", f"Add {' '.join(f'--input {r}=PATH' for r in missing)}."
        )


def read_case(job: CaseJob, card: ModelCard, fallback: SuvFallback | None = None) -> Case:
    """Read every channel, a PET in SUV, and the given transforms; raises `UserError` for the first that fails.

    Of a study folder with several DICOM series the one that fits the channel is taken. `fallback` stands in for what
    the DICOM files of a PET lack. Where the job wants DICOM objects, what these need is looked for first.
    """
    found = channel_paths(job, card)
    paths = {role: one.path for role, one in found.items()}
    if job.dicom:
        check_dicom_wish(job.dicom_source, card.reference_role, paths[card.reference_role])
    volumes = {role: one.told(_read_channel(one.path, card.channel(role), fallback)) for role, one in found.items()}
    entries = [input_entry(role, path, volumes[role].grid) for role, path in paths.items()]
    transforms = {role: read_transform(path) for role, path in job.transforms}
    return Case(volumes, None, transforms, tuple(entries), paths=paths)


def _read_channel(path: Path, channel: Channel, fallback: SuvFallback | None) -> Volume:
    return read_pet(path, fallback) if channel.modality == PET_MODALITY else read_volume(path)


def with_brain_mask(case: Case, path: str | None) -> Case:
    """Return the case with the brain mask at `path`, if there is one."""
    if path is None:
        return case
    mask = read_volume(path)
    return replace(case, brain_mask=mask, entries=(*case.entries, input_entry("brain", Path(path), mask.grid)))


def register_case(case: Case, card: ModelCard, seed: int) -> Case:
    """Return the case with a rigid transform for every channel that has none yet."""
    reference = case.volumes[card.reference_role]
    found = {
        role: register_rigid(reference, volume, seed)
        for role, volume in case.volumes.items()
        if role != card.reference_role and role not in case.transforms
    }
    return replace(case, transforms={**case.transforms, **found}, registered=tuple(found))


def write_registrations(folder: Path, case: Case) -> None:
    """Write every transform found by registration as an ITK text file; those the user gave are the user's."""
    for role in case.registered:
        path = folder / REGISTRATION_FILE.format(role)
        path.parent.mkdir(exist_ok=True)
        sitk.WriteTransform(case.transforms[role], str(path))


def transform_files(folder: Path, job: CaseJob, case: Case) -> dict[str, str]:
    """Return for each role with a transform the file that holds it, after `write_registrations`."""
    found = {role: str(folder / REGISTRATION_FILE.format(role)) for role in case.registered}
    return {**dict(job.transforms), **found}


def describe_transforms(job: CaseJob, case: Case) -> dict[str, dict[str, Any]]:
    """Return for the report how each channel was laid over the reference: by headers, by a file, by registration."""
    given = dict(job.transforms)
    described: dict[str, dict[str, Any]] = {}
    for role in case.volumes:
        if role in given:
            described[role] = {"source": "file", "sha256": hash_of(Path(given[role]))}
        elif role in case.registered:
            described[role] = {"source": "rigid registration", "path": REGISTRATION_FILE.format(role)}
        else:
            described[role] = {"source": "headers"}
    return described
