"""What the result of a case depends on: the bytes of its inputs, the model, the settings.

To read gigabytes again only to learn that nothing changed would be slow. So beside each hash stands a stamp made of
path, size and times of the files: equal stamps spare the hashing, different ones only ask for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from LesionLensLib.catalogue import QUICK_MODEL, find_card, models_root
from LesionLensLib.errors import UserError
from LesionLensLib.images.series_path import split_series_path
from LesionLensLib.jobs import CaseJob, SegmentJob
from LesionLensLib.model_card import CARD_FILE
from LesionLensLib.report import hash_of

FOR_PEOPLE = {".md", ".png"}


@dataclass(frozen=True)
class InputMark:
    """One input: the hash of its bytes, and the stamp that its files had when they were hashed."""

    sha256: str
    stamp: str


@dataclass(frozen=True)
class Fingerprint:
    """Inputs by column of the manifest, digest of the model, digest of the settings."""

    inputs: Mapping[str, InputMark]
    model: str
    settings: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values from which `from_dict` makes an equal fingerprint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Restore a fingerprint; raises `KeyError` or `TypeError` for anything else."""
        inputs = {column: InputMark(**mark) for column, mark in record["inputs"].items()}
        return cls(inputs, str(record["model"]), str(record["settings"]))

    def has_stamps(self, stamps: Mapping[str, str]) -> bool:
        """Whether the inputs are those with these stamps, which spares hashing them."""
        return stamps == {column: mark.stamp for column, mark in self.inputs.items()}

    def same_result(self, other: Fingerprint) -> bool:
        """Whether both stand for the same result: the same bytes, wherever the files lie now."""
        hashes, others = (
            {column: mark.sha256 for column, mark in one.inputs.items()} for one in (self, other)
        )
        return (hashes, self.model, self.settings) == (others, other.model, other.settings)


def stamps_of(paths: Mapping[str, str]) -> dict[str, str]:
    """Return the stamp of each input; raises `UserError` for one that does not exist."""
    with _speaking_of_files():
        return {column: _stamp(Path(path)) for column, path in paths.items()}


def marks_of(paths: Mapping[str, str], stamps: Mapping[str, str]) -> dict[str, InputMark]:
    """Return hash and stamp of each input; stamps are from before the hashing, so that a change in between shows."""
    with _speaking_of_files():
        return {column: InputMark(hash_of(Path(path)), stamps[column]) for column, path in paths.items()}


def model_digest(job: CaseJob) -> str:
    """Return the hash of all that a program reads of the job's model, and of the model of the quick estimate."""
    folders = [find_card(job.model).folder]
    quick = models_root() / QUICK_MODEL
    if isinstance(job, SegmentJob) and job.quick_estimate and (quick / CARD_FILE).is_file():
        folders.append(quick)
    files = (path for folder in folders for path in sorted(folder.iterdir()) if path.suffix not in FOR_PEOPLE)
    lines = [f"{path.parent.name}/{path.name} {hash_of(path)}" for path in files if path.is_file()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@contextmanager
def _speaking_of_files() -> Iterator[None]:
    """Turn what the operating system says about reading an input into a sentence with a remedy."""
    try:
        yield
    except OSError as error:
        name = Path(str(error.filename)).name
        message = f"The input {name} does not exist or cannot be read."
        raise UserError(message, "Correct its path in the manifest, or its permissions.", str(error)) from error


def _stamp(path: Path) -> str:
    place, series = split_series_path(path)
    lines = [f"{place} {series}"]
    for file in _files(place):
        status = file.stat()
        # The time of the last change of the entry too: `cp -p` over a file keeps size and time of writing.
        lines.append(f"{file.name} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _files(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
        return
    yield from sorted(path for path in place.rglob("*") if path.is_file())
