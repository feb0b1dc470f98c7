"""Bring a volume onto another grid by what its matrix says, never by voxel count."""

from __future__ import annotations

from typing import Literal

import numpy as np
import SimpleITK as sitk

from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

Interpolation = Literal["linear", "nearest", "bspline"]
_INTERPOLATORS = {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor, "bspline": sitk.sitkBSpline}


def resample(
    volume: Volume,
    grid: Grid,
    interpolation: Interpolation = "linear",
    transform: sitk.Transform | None = None,
    fill: float = 0.0,
) -> Volume:
    """Return `volume` sampled at the voxel centres of `grid`; places outside it become `fill`.

    `transform` maps points of `grid` (LPS, mm) to points of `volume`, as ITK's resampling does; none means that both
    lie in the same patient space. "nearest" keeps the pixel type (masks, labels), the others give float32.
    """
    if transform is None and volume.grid.is_close(grid):
        kept = volume.array if interpolation == "nearest" else volume.array.astype(np.float32)
        return Volume(kept, grid, volume.header)
    image = volume.to_sitk()
    sampler = sitk.ResampleImageFilter()
    sampler.SetSize(grid.size)
    sampler.SetOutputSpacing(grid.spacing_mm)
    sampler.SetOutputOrigin(grid.origin_lps)
    sampler.SetOutputDirection(grid.direction_lps)
    sampler.SetInterpolator(_INTERPOLATORS[interpolation])
    sampler.SetOutputPixelType(image.GetPixelID() if interpolation == "nearest" else sitk.sitkFloat32)
    sampler.SetDefaultPixelValue(fill)
    if transform is not None:
        sampler.SetTransform(transform)
    return Volume(sitk.GetArrayFromImage(sampler.Execute(image)), grid, volume.header)
