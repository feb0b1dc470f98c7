"""The patients of an outcome training in memory: the box around each tumour, with room to move, and the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.lesion_mask import read_lesion_mask
from LesionLensLib.inference.field_of_view import FieldOfView, centroid_ras, covered, sample_box
from LesionLensLib.inference.pet_ct_input import FILLS, LESION, sample_pet_ct
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.outcome.parts import TEST

REFERENCE = "CT"


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


def read_case(row: ManifestRow, roles: Sequence[str], view: FieldOfView, margin: int) -> OutcomeCase:
    """Read one row of `labelled_rows`; the box is centred on the tumour and wider by `margin` voxels.

    Raises `UserError` as the readers of its files do, naming the file.
    """
    reference = read_volume(row.files[REFERENCE])
    mask = read_lesion_mask(row.files["lesion"], reference)
    center = centroid_ras(mask)
    grid = view.grid(reference.grid, center, margin)
    volumes = {role: _channel(row, role, reference) for role in roles if role != LESION}
    tumour = sample_box(mask, grid, FILLS[LESION]).array
    images = sample_pet_ct(volumes, tumour, roles, grid)
    seen = covered(mask.grid, view.grid(reference.grid, center))
    return OutcomeCase(
        row.case, row.patient, int(row.label), row.split == TEST, tuple(roles), images,
        tumour, grid, mask, seen,
    )  # fmt: skip


def _channel(row: ManifestRow, role: str, reference: Volume) -> Volume:
    return reference if role == REFERENCE else read_volume(row.files[role])
