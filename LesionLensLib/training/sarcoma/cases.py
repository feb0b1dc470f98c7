"""The patients of an outcome training in memory: the box around each tumour, with room to move, and the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.lesion_mask import read_lesion_mask
from LesionLensLib.inference.field_of_view import FieldOfView, centroid_ras, sample_box
from LesionLensLib.inference.pet_ct_input import FILLS
from LesionLensLib.manifest import ManifestRow

REFERENCE = "CT"
TEST = "test"


@dataclass(frozen=True, eq=False)
class OutcomeCase:
    """One patient: `images` (C, D, H, W) in SUV and HU and `tumour` (D, H, W), the share of a voxel, on `grid`.

    `grid` is the field of view, centred on the tumour, wider by the same number of voxels on every side. `truth` is the
    contour on the image's own grid and `seen` (k, j, i) what of that grid the field of view covers; `is_test` marks the
    fixed public test.
    """

    case: str
    patient: str
    outcome: int
    is_test: bool
    roles: tuple[str, ...]
    images: NDArray[np.float32]
    tumour: NDArray[np.float32]
    grid: Grid
    truth: Volume
    seen: NDArray[np.bool_]

    @property
    def inside_share(self) -> float:
        """The share of the tumour's volume that lies in the field of view: the paper's box is too small for some."""
        return float((self.truth.array[self.seen] != 0).sum() / (self.truth.array != 0).sum())


def labelled_rows(rows: Sequence[ManifestRow], roles: Sequence[str]) -> list[ManifestRow]:
    """Return the rows with an outcome, all `roles` and a lesion mask.

    Raises `UserError` for a label other than 0 or 1, and where no row is left.
    """
    chosen = [row for row in rows if row.label and row.has(REFERENCE, "lesion", *roles)]
    for row in chosen:
        if row.label not in ("0", "1"):
            raise UserError(
                f"The label of case {row.case} is {row.label!r}, not an outcome.",
                "Write 1 where the event happened, 0 where it did not, nothing where it is unknown.",
            )
    if not chosen:
        wanted = ", ".join(dict.fromkeys((*roles, REFERENCE, "lesion", "label")))
        raise UserError("The manifest has no case with a known outcome.", f"Add rows with {wanted}.")
    return chosen


def read_case(row: ManifestRow, roles: Sequence[str], view: FieldOfView, margin: int) -> OutcomeCase:
    """Read one row of `labelled_rows`; the box is centred on the tumour and wider by `margin` voxels.

    Raises `UserError` as the readers of its files do, naming the file.
    """
    reference = read_volume(row.files[REFERENCE])
    mask = read_lesion_mask(row.files["lesion"], reference)
    center = centroid_ras(mask)
    grid = view.grid(reference.grid, center, margin)
    tumour = sample_box(mask, grid, 0.0).array
    volumes = {role: _channel(row, role, reference) for role in roles if role != "lesion"}
    images = [
        (tumour >= 0.5).astype(np.float32) if role == "lesion" else sample_box(volumes[role], grid, FILLS[role]).array
        for role in roles
    ]
    seen = _covered(mask.grid, view.grid(reference.grid, center))
    return OutcomeCase(
        row.case, row.patient, int(row.label), row.split == TEST, tuple(roles), np.stack(images).astype(np.float32),
        tumour.astype(np.float32), grid, mask, seen,
    )  # fmt: skip


def _channel(row: ManifestRow, role: str, reference: Volume) -> Volume:
    return reference if role == REFERENCE else read_volume(row.files[role])


def _covered(grid: Grid, box: Grid) -> NDArray[np.bool_]:
    """Return which voxel centres (k, j, i) of `grid` lie in `box`."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    places = box.ijk_from_ras(grid.ras_from_ijk(np.stack([i, j, k], axis=-1)))
    inside: NDArray[np.bool_] = np.all((places >= -0.5) & (places <= np.array(box.size) - 0.5), axis=-1)
    return inside
