"""A case for every separate lesion: outcomes belong to lesions, most data sets hold examinations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from LesionLensLib.cohort.importers.found import Found, FoundCase, Made, Unusable
from LesionLensLib.cohort.importers.table_file import read_table
from LesionLensLib.cohort.importers.write import write_table
from LesionLensLib.errors import UserError
from LesionLensLib.images.lesion_mask import number_lesions
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.volume import Volume

TABLE_COLUMNS = ("case", "patient", "lesion", "volume_ml", "centroid_r", "centroid_a", "centroid_s", "label")


@dataclass(frozen=True)
class ListedLesion:
    """One lesion of an examination: its number from 1, the largest, its volume and its centroid (RAS, mm)."""

    case: str
    patient: str
    number: int
    volume_ml: float
    center_ras: tuple[float, float, float]

    def record(self) -> dict[str, str]:
        """Return the line of the table into which outcomes are written."""
        center = dict(zip(TABLE_COLUMNS[4:7], (f"{part:.1f}" for part in self.center_ras), strict=True))
        return {"case": self.case, "patient": self.patient, "lesion": str(self.number),
                "volume_ml": f"{self.volume_ml:.4f}", **center}  # fmt: skip


@dataclass(frozen=True)
class OneLesion:
    """The lesion `number` of a mask alone, on the grid of the mask."""

    source: Path | Made
    number: int

    def make(self) -> Volume:
        """Return the mask of 0 and 1."""
        lesions = _numbered(self.source)
        return lesions.with_array((lesions.array == self.number).astype(np.uint8))


def lesion_case(case: str, number: int) -> str:
    """Return the name of the case of one lesion."""
    return f"{case}_lesion{number}"


def part_lesions(found: Found, tell: Callable[[int, str], None]) -> tuple[Found, tuple[ListedLesion, ...]]:
    """Return the same data set with a case for every lesion, numbered as `predict` does, and the lesions measured.

    A case without a mask stays as it is; one whose mask is empty or cannot be read is left out with the reason. `tell`
    is called with the number of cases done and the name of the next.
    """
    _numbered.cache_clear()  # files of an earlier call may have changed
    cases: list[FoundCase] = []
    skipped, listed = list(found.skipped), []
    for done, case in enumerate(found.cases):
        tell(done, case.case)
        if "lesion" not in case.files:
            cases.append(case)
            continue
        try:
            lesions = _measured(case)
        except Unusable as reason:
            skipped.append((case.case, str(reason)))
            continue
        except UserError as error:
            skipped.append((case.case, error.message))
            continue
        for lesion in lesions:
            mask = OneLesion(case.files["lesion"], lesion.number)
            name = lesion_case(case.case, lesion.number)
            cases.append(replace(case, case=name, files={**case.files, "lesion": mask}))
        listed += lesions
    return Found(tuple(cases), tuple(skipped), found.remarks), tuple(listed)


def lesion_table(manifest: Path) -> Path:
    """Return where the lesions of a manifest are listed."""
    return manifest.with_name(f"{manifest.stem}-lesions.csv")


def check_lesion_table(manifest: Path) -> None:
    """Raise `UserError` where the table beside the manifest holds outcomes that somebody has written into it."""
    path = lesion_table(manifest)
    if path.exists() and any(row.get("label") for row in read_table(path)):
        raise UserError(
            f"{path.name} holds outcomes, and would be written anew.", "Give it with --outcomes, or move it away."
        )


def write_lesion_table(lesions: Sequence[ListedLesion], manifest: Path) -> None:
    """Write number, volume and place of every lesion, and an empty column for its outcome."""
    write_table(lesion_table(manifest), TABLE_COLUMNS, [lesion.record() for lesion in lesions])


def _measured(case: FoundCase) -> list[ListedLesion]:
    lesions = _numbered(case.files["lesion"])
    numbers = range(1, int(lesions.array.max()) + 1)
    if not numbers:
        raise Unusable("its lesion mask is empty")
    sizes = np.bincount(lesions.array.ravel())
    centers = np.array(ndimage.center_of_mass(lesions.array > 0, lesions.array, numbers))[:, ::-1]
    found = []
    for number, center in zip(numbers, lesions.grid.ras_from_ijk(centers), strict=True):
        place = (float(center[0]), float(center[1]), float(center[2]))
        found.append(ListedLesion(case.case, case.patient, number, float(sizes[number] * lesions.grid.voxel_ml), place))
    return found


@lru_cache(maxsize=1)
def _numbered(source: Path | Made) -> Volume:
    """Return the numbered lesions of a mask; the last one is kept, since its lesions are asked for one by one."""
    made = source if isinstance(source, Path) else source.make()
    return number_lesions(made if isinstance(made, Volume) else read_volume(made))
