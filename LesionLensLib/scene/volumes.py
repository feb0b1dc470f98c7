"""Volume nodes and `Volume`: the same voxels at the same place, whichever way the array is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

# VTK has no half floats and no boolean voxels, and Slicer refuses 64-bit integers.
_STORABLE = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64")


def grid_of_node(node: Any) -> Grid:
    """Return the grid of a volume node, from its IJK-to-RAS matrix; a parent transform is not applied."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return Grid.from_ijk_to_ras(slicer.util.arrayFromVTKMatrix(matrix), node.GetImageData().GetDimensions())


def volume_of_node(node: Any) -> Volume:
    """Return a copy of the node's voxels `(k, j, i)` with their grid."""
    return Volume(slicer.util.arrayFromVolume(node).copy(), grid_of_node(node))


def add_volume(volume: Volume, name: str, class_name: str = "vtkMRMLScalarVolumeNode") -> Any:
    """Add a volume node; a left-handed grid is stored flipped along k, every voxel stays where it is in the patient.

    Slicer's own loader flips so too: a node and its saved and reloaded copy then have equal arrays.
    """
    upright = right_handed(volume)
    return slicer.util.addVolumeFromArray(
        storable(upright.array), ijkToRAS=upright.grid.ijk_to_ras, name=name, nodeClassName=class_name
    )


def load_volume(path: Path, name: str) -> Any:
    """Read a file or DICOM folder into a new volume node; raises `UserError` where it cannot be read.

    The node does not refer to the file: a result folder may be moved while the scene is open.
    """
    from LesionLensLib.images.read import read_volume  # brings SimpleITK, for which an opening panel must not wait

    return add_volume(read_volume(path), name)


def right_handed(volume: Volume) -> Volume:
    """Return the volume itself, or with k reversed in array and grid where its axes are left-handed."""
    if not volume.grid.is_left_handed:
        return volume
    return Volume(volume.array[::-1], right_handed_grid(volume.grid), volume.header)


def right_handed_grid(grid: Grid) -> Grid:
    """Return the grid itself, or the same voxels counted from the other end of k where it is left-handed."""
    if not grid.is_left_handed:
        return grid
    reverse = np.diag([1.0, 1.0, -1.0, 1.0])
    reverse[2, 3] = grid.size[2] - 1
    return Grid.from_ijk_to_ras(grid.ijk_to_ras @ reverse, grid.size)


def storable(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in a pixel type that Slicer keeps, without changing a value that fits; contiguous."""
    if array.dtype.name in _STORABLE:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    small = np.iinfo(np.int32)
    fits = array.min() >= small.min and array.max() <= small.max
    return array.astype(np.int32 if fits else np.float64)
