"""Write what an importer found: the manifest, the masks it needs beside it, and why cases were left out."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from LesionLensLib.cohort.importers.found import Found, FoundCase, Unusable
from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.itk_messages import quiet_itk
from LesionLensLib.images.read import READABLE_SUFFIXES, known_suffix
from LesionLensLib.images.series_path import split_series_path
from LesionLensLib.images.volume import Volume, grid_of
from LesionLensLib.images.write import appears_whole, write_volume
from LesionLensLib.manifest import FIXED_COLUMNS
from LesionLensLib.results import speaking_of_disk

_LAST = ("lesion", "label", "split")
_GIT_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class Written:
    """What was written: the manifest, its cases, and `(case, reason)` of those left out."""

    manifest: Path
    cases: tuple[FoundCase, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def patients(self) -> int:
        """How many patients the cases are of."""
        return len({case.patient for case in self.cases})

    def missing(self) -> tuple[tuple[str, int], ...]:
        """Return each column that some cases lack, and how many do."""
        counts = Counter(column for case in self.cases for column in case.files)
        return tuple((column, len(self.cases) - n) for column, n in sorted(counts.items()) if n < len(self.cases))


def write_manifest(
    found: Found,
    manifest: Path,
    overwrite: bool,
    tell: Callable[[int, str], None],
    arrange: Callable[[Sequence[FoundCase]], Sequence[FoundCase]] = tuple,
) -> Written:
    """Write the table, the images and masks that had to be made (`<name>-files/`) and `<name>-skipped.csv`.

    No file of the data set is copied or changed; its paths are relative to the manifest where that can be. `tell` is
    called with the number of cases done and the name of the next, `arrange` may give the cases that can be used other
    splits. Raises `UserError` for a manifest that exists and is not to be overwritten, and where no case is left.
    """
    if manifest.exists() and not overwrite:
        raise UserError(f"The manifest {manifest.name} exists.", "Name another file, or add --overwrite.")
    manifest = manifest.absolute()
    folder = manifest.with_name(f"{manifest.stem}-files")
    usable, records, skipped = [], [], list(found.skipped)
    for number, case in enumerate(found.cases):
        tell(number, case.case)
        try:
            records.append(_record(case, manifest.parent, folder))
            usable.append(case)
        except Unusable as reason:
            skipped.append((case.case, str(reason)))
        except UserError as error:
            skipped.append((case.case, error.message))
    write_table(manifest.with_name(f"{manifest.stem}-skipped.csv"), ("case", "reason"), _reasons(skipped))
    if not records:
        first = f" The first: {skipped[0][0]}, {skipped[0][1]}." if skipped else ""
        raise UserError(f"No case can be used.{first}", "See the reasons, and correct the data set.")
    cases = tuple(arrange(usable))
    for record, case in zip(records, cases, strict=True):
        record["split"] = case.split
    roles = sorted({column for record in records for column in record} - {*FIXED_COLUMNS, "lesion"})
    write_table(manifest, ("case", "patient", *roles, *_LAST), records)
    return Written(manifest, cases, tuple(skipped))


def _record(case: FoundCase, home: Path, folder: Path) -> dict[str, str]:
    """Return the line of a case after its files were looked at, and those to be made were written."""
    ready: dict[str, Path | Volume] = {c: f if isinstance(f, Path) else f.make() for c, f in case.files.items()}
    grids = {column: _grid(file) for column, file in ready.items() if not column.endswith("_transform")}
    _check_mask(grids)
    record = {"case": case.case, "patient": case.patient, "label": case.label}
    for column, file in ready.items():
        if isinstance(file, Volume):
            with speaking_of_disk(folder.name):
                folder.mkdir(parents=True, exist_ok=True)
            # NRRD keeps the grid in double precision, NIfTI would round it.
            path = folder / f"{case.case}_{column}.nrrd"
            write_volume(file, path)
            file = path
        record[column] = _relative(file, home)
    return record


def _grid(file: Path | Volume) -> Grid | None:
    """Return the grid that the header of an image states (None for DICOM); raises `Unusable` for what is no image."""
    if isinstance(file, Volume):
        return file.grid
    folder, _ = split_series_path(file)
    if folder.is_dir():
        return None
    if not file.exists():
        raise Unusable(f"{file.name} is not there, or a link that leads nowhere")
    suffix = known_suffix(file)
    if suffix is None:
        raise Unusable(f"{file.name} is no image")
    with file.open("rb") as stream:
        start = stream.read(len(_GIT_LFS))
    if start == _GIT_LFS:
        raise Unusable(f"{file.name} is a pointer of Git LFS: the image itself was not fetched")
    if not start:
        raise Unusable(f"{file.name} is empty (0 bytes)")
    reader = sitk.ImageFileReader()
    reader.SetImageIO(READABLE_SUFFIXES[suffix])
    reader.SetFileName(str(file))
    try:
        with quiet_itk():
            reader.ReadImageInformation()
        return grid_of(reader)
    except (RuntimeError, ValueError) as error:
        raise Unusable(f"{file.name} cannot be read as an image with three axes at right angles") from error


def _check_mask(grids: Mapping[str, Grid | None]) -> None:
    """Raise `Unusable` for a lesion mask that shares no place with an image: it belongs to another examination."""
    mask = grids.get("lesion")
    for column, grid in grids.items():
        if mask is not None and grid is not None and not mask.is_close(grid) and mask.overlap_fraction(grid) == 0:
            raise Unusable(f"its lesion mask and its {column} lie in different places")


def _relative(path: Path, home: Path) -> str:
    try:
        return Path(os.path.relpath(path, home)).as_posix()
    except ValueError:  # another drive of Windows
        return str(path)


def _reasons(skipped: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"case": case, "reason": reason} for case, reason in skipped]


def write_table(path: Path, columns: Sequence[str], records: Sequence[Mapping[str, str]]) -> None:
    """Write a table; one without a line is removed, so that it does not tell of an earlier run."""
    if not records:
        path.unlink(missing_ok=True)
        return
    with speaking_of_disk(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
    with appears_whole(path, path.suffix) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(records)
