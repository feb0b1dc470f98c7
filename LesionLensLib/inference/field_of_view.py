"""The box around a tumour that an outcome network sees, on a grid of its own spacing.

Peng et al., arXiv 2104.11416, section II.A: 112 x 112 x 144 mm, the long side along the limb. The paper's voxels are
1 mm; coarser ones cover the same box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid, Matrix
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume

PAPER_BOX_MM = (112.0, 112.0, 144.0)
# Full width at half maximum of a Gaussian, in standard deviations.
_FWHM = 2.3548
# How many standard deviations the blur reaches.
_TRUNCATE = 3.0


@dataclass(frozen=True)
class FieldOfView:
    """A box of at least `size_mm` along (i, j, k), in voxels of `spacing_mm`, every side a multiple of `multiple`."""

    size_mm: tuple[float, float, float] = PAPER_BOX_MM
    spacing_mm: float = 1.0
    multiple: int = 16

    @property
    def size(self) -> tuple[int, int, int]:
        """The voxels along (i, j, k)."""
        i, j, k = (math.ceil(mm / self.spacing_mm / self.multiple - 1e-9) * self.multiple for mm in self.size_mm)
        return i, j, k

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numpy shape (D, H, W) = (k, j, i)."""
        i, j, k = self.size
        return k, j, i

    def grid(self, reference: Grid, center_ras_mm: Sequence[float] | Matrix, margin: int = 0) -> Grid:
        """Return the box's grid around a point (RAS, mm), wider by `margin` voxels on every side.

        Its axes are those of `reference`, in the order and direction that is nearest to L, P, S.
        """
        fine = reference.closest_to_lps().with_spacing((self.spacing_mm,) * 3)
        size = np.array(self.size) + 2 * margin
        lower = fine.ijk_from_ras(np.asarray(center_ras_mm, dtype=np.float64)) - (size - 1) / 2
        return fine.cropped(lower.tolist(), size.tolist())


def centroid_ras(mask: Volume) -> Matrix:
    """Return the centroid (RAS, mm) of the voxels of `mask` other than 0; raises `UserError` where there is none."""
    voxels = np.argwhere(mask.array != 0)
    if not len(voxels):
        raise UserError("The lesion mask is empty.", "Give a mask that marks the lesion.")
    return mask.grid.ras_from_ijk(voxels.mean(axis=0)[::-1])


def sample_box(volume: Volume, grid: Grid, fill: float, transform: sitk.Transform | None = None) -> Volume:
    """Return `volume` (float32) on `grid`, linearly, with `fill` beyond its border.

    Where `grid` is coarser along an axis the image is first blurred along it, so that fine noise does not alias: by the
    Gaussian whose full width at half maximum makes a voxel of the image as wide as one of `grid`. `transform` maps
    points of `grid` to points of `volume`, as in `resample`.
    """
    target = min(grid.spacing_mm)
    widths = [math.sqrt(max(target**2 - s**2, 0.0)) / _FWHM / s for s in volume.grid.spacing_mm[::-1]]
    # Spacings that are equal but for rounding are left alone.
    sigmas = [width if width > 0.1 else 0.0 for width in widths]
    if transform is None:
        # What the blur of a voxel near the box can see is enough of a scan of the whole body.
        volume = crop_around(volume, grid, [int(_TRUNCATE * sigma + 0.5) + 1 for sigma in sigmas[::-1]])
    if any(sigmas):
        blurred = ndimage.gaussian_filter(volume.array.astype(np.float32), sigmas, mode="nearest", truncate=_TRUNCATE)
        volume = volume.with_array(blurred)
    return resample(volume, grid, "linear", transform, fill)


def crop_around(volume: Volume, grid: Grid, margin: Sequence[int] = (0, 0, 0)) -> Volume:
    """Return the part of `volume` that `grid` touches and `margin` voxels (i, j, k) more; never less than one voxel."""
    part = part_around(volume.grid, grid, margin)
    first, count = [axis.start for axis in part[::-1]], [axis.stop - axis.start for axis in part[::-1]]
    return Volume(volume.array[part], volume.grid.cropped(first, count), volume.header)


def part_around(around: Grid, grid: Grid, margin: Sequence[int] = (0, 0, 0)) -> tuple[slice, slice, slice]:
    """Return the slices (k, j, i) of arrays on `around` that hold every voxel from which `grid` is interpolated."""
    ends = [(-0.5, n - 0.5) for n in grid.size]
    corners = around.ijk_from_ras(grid.ras_from_ijk(np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3)))
    size = np.array(around.size)
    lower = np.clip(np.floor(corners.min(0)).astype(int) - margin, 0, size - 1)
    upper = np.clip(np.ceil(corners.max(0)).astype(int) + margin + 1, lower + 1, size)
    k, j, i = (slice(int(low), int(high)) for low, high in zip(lower[::-1], upper[::-1], strict=True))
    return k, j, i


def covered(grid: Grid, box: Grid) -> NDArray[np.bool_]:
    """Return which voxel centres (k, j, i) of `grid` lie in `box`."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    return contains(box, grid.ras_from_ijk(np.stack([i, j, k], axis=-1)))


def contains(box: Grid, points_ras: Matrix) -> NDArray[np.bool_]:
    """Return which points (..., 3; RAS, mm) lie in `box`, out to the outer faces of its voxels."""
    places = box.ijk_from_ras(points_ras)
    inside: NDArray[np.bool_] = np.all((places >= -0.5) & (places <= np.array(box.size) - 0.5), axis=-1)
    return inside
