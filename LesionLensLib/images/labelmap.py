"""Named regions of a patient: a labelmap, or a segmentation of 3D Slicer, whose segments may overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LesionLensLib.errors import UserError
from LesionLensLib.images.itk_messages import last_line, quiet_itk
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.volume import Volume, grid_of

SEGMENTATION_SUFFIX = ".seg.nrrd"


@dataclass(frozen=True)
class Region:
    """One region: the `value` of its voxels, its `name`, and the layer they lie in."""

    value: int
    name: str
    layer: int = 0


@dataclass(frozen=True, eq=False)
class Labelmap:
    """Regions as whole numbers, 0 outside of all, in one or several `layers` (k, j, i) on one grid.

    Regions that overlap lie in different layers. Raises `ValueError` for no layer, layers on different grids and
    regions that no layer can hold.
    """

    layers: tuple[Volume, ...]
    regions: tuple[Region, ...]

    def __post_init__(self) -> None:
        if not self.layers or any(not layer.grid.is_close(self.layers[0].grid) for layer in self.layers):
            raise ValueError("a labelmap needs at least one layer, all of them on one grid")
        if any(region.value == 0 or not 0 <= region.layer < len(self.layers) for region in self.regions):
            raise ValueError("a region needs a value other than 0 and a layer that is there")


def read_labelmap(path: str | Path) -> Labelmap:
    """Read the regions of a `.seg.nrrd`, named as its segments, or of another image, named by their numbers.

    Raises `UserError` for a file that cannot be read, values that are not whole numbers, and one without any region.
    """
    path = Path(path)
    if path.name.lower().endswith(SEGMENTATION_SUFFIX) and path.is_file():
        labelmap = _read_segmentation(path)
    else:
        labelmap = labelmap_of(read_volume(path), path.name)
    if not labelmap.regions:
        raise UserError(f"{path.name} holds no region.", "Give an image that marks each region with its own number.")
    return labelmap


def labelmap_of(volume: Volume, called: str = "The labelmap") -> Labelmap:
    """Return the regions of an image of whole numbers, above 0, named by these; raises `UserError` for others."""
    if volume.array.dtype.kind not in "iub" and not np.array_equal(volume.array, np.round(volume.array)):
        raise UserError(
            f"{called} is no labelmap: its values are not whole numbers.",
            "Give an image that marks each region with its own number.",
        )
    labels = volume.array.astype(np.int64)
    if labels.size and labels.min() < 0:  # a CT is an image of whole numbers too
        raise UserError(
            f"{called} is no labelmap: its values go down to {labels.min()}.",
            "Give an image that marks each region with a number above 0, and all else with 0.",
        )
    values = [int(value) for value in np.unique(labels) if value != 0]
    return Labelmap((volume.with_array(labels),), tuple(Region(value, str(value)) for value in values))


def _read_segmentation(path: Path) -> Labelmap:
    """Read every layer and name; Slicer stores overlapping segments as the components of a voxel."""
    try:
        with quiet_itk():
            image = sitk.ReadImage(str(path), imageIO="NrrdImageIO")
        array, grid = sitk.GetArrayFromImage(image), grid_of(image)
        layers = array[..., np.newaxis] if array.ndim == 3 else array
        volumes = tuple(Volume(np.ascontiguousarray(layers[..., n]), grid) for n in range(layers.shape[-1]))
        return Labelmap(volumes, _segments({key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}))
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"{path.name} cannot be read as a segmentation.", "Save it again in 3D Slicer.", last_line(error)
        ) from error


def _segments(keys: Mapping[str, str]) -> tuple[Region, ...]:
    regions: list[Region] = []
    while f"Segment{len(regions)}_ID" in keys:
        number = len(regions)
        name = keys.get(f"Segment{number}_Name") or keys[f"Segment{number}_ID"]
        # Segmentations saved before Slicer 4.11 state neither: they have a layer for every segment.
        value = int(keys.get(f"Segment{number}_LabelValue", "1"))
        regions.append(Region(value, name, int(keys.get(f"Segment{number}_Layer", number))))
    return tuple(regions)
