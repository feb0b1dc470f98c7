"""Between numpy arrays and VTK's surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkImageData, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkTriangleMeshPointNormals

Points = NDArray[np.float64]
Triangles = NDArray[np.int64]
IMPACT, RGB, NORMALS = "impact", "rgb", "Normals"


def make_surface(points: NDArray[np.floating], triangles: Triangles) -> Any:
    """Return vtkPolyData of points (N, 3) in mm and triangles (M, 3) of their numbers."""
    surface = vtkPolyData()
    vertices = vtkPoints()
    vertices.SetData(numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float32), deep=True))
    cells = vtkCellArray()
    cells.SetData(3, numpy_to_vtkIdTypeArray(np.ascontiguousarray(triangles, dtype=np.int64).ravel(), deep=True))
    surface.SetPoints(vertices)
    surface.SetPolys(cells)
    return surface


def points_of(surface: Any) -> Points:
    """Return the points (N, 3) of vtkPolyData."""
    if not surface.GetNumberOfPoints():
        return np.empty((0, 3))
    points: Points = vtk_to_numpy(surface.GetPoints().GetData()).astype(np.float64)
    return points


def triangles_of(surface: Any) -> Triangles:
    """Return the triangles (M, 3) of vtkPolyData; raises `ValueError` where it holds other polygons."""
    cells = surface.GetPolys()
    if not cells.GetNumberOfCells():
        return np.empty((0, 3), dtype=np.int64)
    if cells.GetMaxCellSize() != 3 or cells.GetNumberOfConnectivityIds() != 3 * cells.GetNumberOfCells():
        raise ValueError("a surface of triangles only is needed")
    triangles: Triangles = vtk_to_numpy(cells.GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
    return triangles


def point_arrays_of(surface: Any) -> dict[str, NDArray[Any]]:
    """Return the named arrays that the points of vtkPolyData carry."""
    data = surface.GetPointData()
    return {data.GetArrayName(n): vtk_to_numpy(data.GetArray(n)) for n in range(data.GetNumberOfArrays())}


def set_point_arrays(surface: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give the points of vtkPolyData named arrays (N,) or (N, components); `impact` becomes the active one."""
    data = surface.GetPointData()
    for name, values in arrays.items():
        array = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        array.SetName(name)
        if name == NORMALS:
            data.SetNormals(array)
        else:
            data.AddArray(array)
    if IMPACT in arrays:
        data.SetActiveScalars(IMPACT)


def add_normals(surface: Any) -> Any:
    """Return the surface with the normals of its points, on the side from which triangles run anti-clockwise."""
    normals = vtkTriangleMeshPointNormals()
    normals.SetInputData(surface)
    normals.Update()
    return normals.GetOutput()


def contour(
    field: NDArray[Any], level: float, spacing: tuple[float, float, float], origin: Points | None = None
) -> Any:
    """Return the triangles where `field` (k, j, i) crosses `level`, anti-clockwise seen from where it is lower.

    Points are (x, y, z) along i, j and k: `origin` (0 where None) + index * `spacing`.
    """
    image = vtkImageData()
    image.SetDimensions(*field.shape[::-1])
    image.SetSpacing(*spacing)
    image.SetOrigin(*(np.zeros(3) if origin is None else origin))
    values = np.ascontiguousarray(field)  # VTK keeps no reference: the array must live as long as the filter
    image.GetPointData().SetScalars(numpy_to_vtk(values.ravel()))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, level)
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    return edges.GetOutput()
