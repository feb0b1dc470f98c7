"""Surfaces and point clouds on disk: whole or not at all, in LPS as Slicer expects, and saying so.

Slicer's models look for `SPACE=LPS` or `SPACE=RAS` in the field data of a VTP and in the comments of PLY and OBJ, and
take LPS where nothing is said (vtkMRMLModelStorageNode). Other programs take the numbers as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from vtkmodules.vtkCommonCore import vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLPolyDataWriter

from LesionLensLib.display.polydata import (
    IMPACT,
    NORMALS,
    RGB,
    make_surface,
    point_arrays_of,
    points_of,
    set_point_arrays,
    triangles_of,
)
from LesionLensLib.errors import UserError
from LesionLensLib.explain.surface.mesh_formats import encode_obj, encode_ply
from LesionLensLib.explain.surface.point_cloud import PointCloud, UnitCloud
from LesionLensLib.geometry import flip_lps_ras
from LesionLensLib.images.write import appears_whole

SUFFIXES = (".vtp", ".ply", ".obj")
_SPACE = "SPACE"
_LPS, _RAS = "LPS", "RAS"
_TITLE = "LesionLens"
_LPS_COMMENTS: tuple[str, ...] = (_TITLE, f"{_SPACE}={_LPS}")


def write_surface(surface: Any, path: str | Path) -> None:
    """Write vtkPolyData in RAS as VTP, PLY or OBJ by the suffix of `path`, in LPS with `impact`, `rgb` and normals.

    OBJ holds colours and normals but no impact. Raises `UserError` for another suffix and `EnvironmentFault` where
    the folder is missing or read-only or the disk is full.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path.name} has no suffix of a surface format.", f"Use {', '.join(SUFFIXES)}.")
    flipped = _flipped(surface)
    mesh = (_LPS_COMMENTS, points_of(flipped), point_arrays_of(flipped), triangles_of(flipped))
    content = _vtp(flipped) if suffix == ".vtp" else encode_ply(*mesh) if suffix == ".ply" else encode_obj(*mesh)
    with appears_whole(path, suffix) as temporary:
        temporary.write_bytes(content)


def read_surface(path: str | Path) -> Any:
    """Return the surface of a VTP as vtkPolyData in RAS; raises `UserError` for a file that is none."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file {path.name}.", "Check the path.")
    reader = vtkXMLPolyDataReader()
    if path.suffix.lower() != ".vtp" or not reader.CanReadFile(str(path)):
        raise UserError(f"{path.name} is no surface this program reads.", "Give a .vtp file.")
    reader.SetFileName(str(path))
    reader.Update()
    surface = reader.GetOutput()
    if reader.GetErrorCode() or not surface.GetNumberOfPoints():
        raise UserError(f"{path.name} is damaged or empty.", "Export the surface again.")
    space = surface.GetFieldData().GetAbstractArray(_SPACE)
    return surface if space is not None and space.GetValue(0) == _RAS else _flipped(surface)


def write_cloud(cloud: PointCloud | UnitCloud, path: str | Path) -> None:
    """Write points with colour and impact as PLY: a cloud in mm in LPS, a unit cloud with its way back to mm (RAS).

    Raises as `write_surface`.
    """
    path = Path(path)
    if path.suffix.lower() != ".ply":
        raise UserError(f"{path.name} has no suffix of a point cloud.", "Use .ply.")
    if isinstance(cloud, UnitCloud):
        pairs = zip("RAS", cloud.scale_mm, cloud.offset_mm, strict=True)
        way = (f"{axis}_mm = {scale:.9g} * {axis} + {offset:.9g}" for axis, scale, offset in pairs)
        comments, points = (_TITLE, f"{_SPACE}={_RAS}", *way), cloud.points
    else:
        comments, points = _LPS_COMMENTS, flip_lps_ras(cloud.points_ras)
    content = encode_ply(comments, points, {IMPACT: cloud.impact, RGB: cloud.rgb})
    with appears_whole(path, ".ply") as temporary:
        temporary.write_bytes(content)


def _flipped(surface: Any) -> Any:
    """Return a copy with x and y turned round, normals too: from RAS to LPS or back."""
    result = make_surface(flip_lps_ras(points_of(surface)), triangles_of(surface))
    arrays = point_arrays_of(surface)
    if NORMALS in arrays:
        arrays[NORMALS] = flip_lps_ras(arrays[NORMALS]).astype(np.float32)
    set_point_arrays(result, arrays)
    return result


def _vtp(surface: Any) -> bytes:
    copy = vtkPolyData()
    copy.ShallowCopy(surface)
    space = vtkStringArray()
    space.SetName(_SPACE)
    space.InsertNextValue(_LPS)
    copy.GetFieldData().AddArray(space)
    writer = vtkXMLPolyDataWriter()
    writer.SetInputData(copy)
    # Written to memory, since VTK reports a full disk on the terminal only.
    writer.WriteToOutputStringOn()
    writer.SetDataModeToBinary()
    writer.Write()
    return str(writer.GetOutputString()).encode("ascii")
