"""A scalar image in memory together with the grid it lies on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid

if TYPE_CHECKING:  # loading it takes a panel longer than opening should
    import SimpleITK as sitk

# SimpleITK and VTK have no such pixel types; the wider type holds every value exactly.
WIDER_TYPE = {np.dtype(np.bool_): np.uint8, np.dtype(np.float16): np.float32}


@dataclass(frozen=True, eq=False)
class Volume:
    """A three-dimensional scalar image: `array` is `(k, j, i)`, `grid` says where its voxels lie.

    `header` holds description fields of the file (`SeriesDescription`, `descrip`, ...), notes of the reader
    (`missing_slices`, ...) and `patient_hash`, never a patient's name. Raises `ValueError` where the array does not
    fit the grid.
    """

    array: NDArray[Any]
    grid: Grid
    header: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"an array of shape {self.array.shape} does not fit a grid of shape {self.grid.shape}")

    @classmethod
    def from_sitk(cls, image: sitk.Image, header: Mapping[str, str] | None = None) -> Volume:
        """Copy a SimpleITK image, which owns its buffer, once; the fourth axis of a single frame is dropped.

        Raises `ValueError` for images that are not three-dimensional and scalar, or whose axes are not at right angles.
        """
        import SimpleITK as sitk

        frames = image.GetSize()[3:]
        if image.GetDimension() < 3 or any(n != 1 for n in frames) or image.GetNumberOfComponentsPerPixel() != 1:
            raise ValueError("only scalar images with three axes can become a volume")
        array = sitk.GetArrayFromImage(image)
        return cls(array.reshape(array.shape[-3:]), grid_of(image), dict(header or {}))

    def to_sitk(self) -> sitk.Image:
        """Return the volume as a SimpleITK image (one copy); bool becomes uint8, float16 becomes float32."""
        import SimpleITK as sitk

        wider = WIDER_TYPE.get(self.array.dtype)
        image = sitk.GetImageFromArray(self.array if wider is None else self.array.astype(wider))
        image.SetSpacing(self.grid.spacing_mm)
        image.SetOrigin(self.grid.origin_lps)
        image.SetDirection(self.grid.direction_lps)
        return image

    def with_array(self, array: NDArray[Any]) -> Volume:
        """Return other values on the same grid with the same header."""
        return replace(self, array=array)


def grid_of(image: sitk.Image) -> Grid:
    """Return the grid of the first three axes of a SimpleITK image (or of an `ImageFileReader` that has read a header).

    Raises `ValueError` where these axes are not at right angles.
    """
    axes = len(image.GetSize())
    direction = np.reshape(image.GetDirection(), (axes, axes))[:3, :3]
    return Grid(image.GetSize()[:3], image.GetSpacing()[:3], image.GetOrigin()[:3], tuple(direction.ravel()))
