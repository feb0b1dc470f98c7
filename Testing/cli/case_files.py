"""A good case on disk for tests of the command line, and the call that segments it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from LesionLensLib.geometry import Grid
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume

ROLES = ("T1", "T2", "FLAIR")


@dataclass(frozen=True)
class Call:
    """One call of `lesionlens segment`; tests change one thing at a time."""

    inputs: tuple[tuple[str, Path], ...]
    output: Path
    model: Path | str
    extra: tuple[str, ...] = ("--device", "cpu")

    def arguments(self) -> list[str]:
        given = [f"--input={role}={path}" for role, path in self.inputs]
        return ["segment", *given, "--output", str(self.output), "--model", str(self.model), *self.extra]

    def with_input(self, role: str, path: Path) -> Call:
        return replace(self, inputs=tuple((r, path if r == role else p) for r, p in self.inputs))

    def plus(self, *extra: str) -> Call:
        return replace(self, extra=(*self.extra, *extra))


@dataclass(frozen=True)
class CaseFiles:
    """The images of a good case, and an empty folder to break copies in."""

    paths: dict[str, Path]
    folder: Path
    model: Path
    output: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", self.folder / "result")

    def call(self) -> Call:
        return Call(tuple((role, self.paths[role]) for role in ROLES), self.output, self.model)

    def volume(self, name: str) -> Volume:
        return read_volume(self.paths[name])

    def changed(self, name: str, volume: Volume) -> Path:
        """Write another volume in place of the one called `name`."""
        path = self.folder / f"other-{name}.nii.gz"
        write_volume(volume, path)
        return path

    def moved(self, name: str, shift_mm: float) -> Path:
        """Write the image called `name` shifted along LPS x."""
        volume = self.volume(name)
        grid = volume.grid
        x, y, z = grid.origin_lps
        moved = Grid(grid.size, grid.spacing_mm, (x + shift_mm, y, z), grid.direction_lps)
        return self.changed(name, Volume(volume.array, moved))

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check_said(stderr: str, says: str) -> None:
    """Check that exactly one error with `says` in it and one remedy were printed, and no traceback."""
    lines = stderr.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    remedies = [line for line in lines if line.startswith("remedy: ")]
    assert len(errors) == len(remedies) == 1, stderr
    assert says.lower() in errors[0].lower()
    assert len(remedies[0]) > len("remedy: ") + 10
    assert "Traceback" not in stderr
    assert all(line.startswith(("error: ", "remedy: ", "warning: ")) for line in lines), stderr
