"""A map on a surface: its values at the points, and their colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.display.polydata import IMPACT, RGB, points_of, set_point_arrays
from LesionLensLib.explain.surface.colors import ColorScale, scale_of
from LesionLensLib.explain.surface.contour import mask_surface
from LesionLensLib.images.volume import Volume


def sample_map(impact: Volume, points_ras: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the values (N,) of a map at points (N, 3) in RAS mm, linear between voxel centres, 0 outside of the map.

    In the outer half of a border voxel its own value stands, as in ITK.
    """
    kji = impact.grid.ijk_from_ras(points_ras)[:, ::-1]
    array = impact.array if impact.array.dtype.kind == "f" else impact.array.astype(np.float32)
    values = ndimage.map_coordinates(array, kji.T, order=1, mode="nearest")
    within = np.all((kji >= -0.5) & (kji <= np.array(array.shape) - 0.5), axis=1)
    sampled: NDArray[np.float32] = np.where(within, values, 0).astype(np.float32)
    return sampled


def paint(surface: Any, impact: Volume, scale: ColorScale | None = None) -> Any:
    """Give vtkPolyData in RAS the point arrays `impact` (float32) and `rgb` (uint8) and return it.

    Without `scale` the colours span the whole map, not only what shows on the surface.
    """
    values = sample_map(impact, points_of(surface))
    scale = scale_of(impact.array) if scale is None else scale
    set_point_arrays(surface, {IMPACT: values, RGB: scale.rgb(values)})
    return surface


def coloured_contour(impact: Volume, mask: Volume, beyond_mm: float = 0.0, scale: ColorScale | None = None) -> Any:
    """Return the surface of `mask`, or `beyond_mm` outside of it, in RAS with `impact` and `rgb`: the default way.

    Map and mask may lie on different grids. Raises as `mask_surface`.
    """
    return paint(mask_surface(mask, beyond_mm), impact, scale)
