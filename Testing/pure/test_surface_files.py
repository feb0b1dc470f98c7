"""Surfaces and point clouds on disk, read back by VTK's readers: whole, in LPS, with impact, colours and normals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vtkmodules", reason="VTK is not installed (optional group: scene)")

from surface_cases import ball, centres, enclosed_ml, grid_about
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOGeometry import vtkOBJReader
from vtkmodules.vtkIOPLY import vtkPLYReader
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLPolyDataWriter

from LesionLensLib.display.polydata import point_arrays_of, points_of, triangles_of
from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.explain.surface.point_cloud import PointCloud, unit_cloud
from LesionLensLib.explain.surface.probe import coloured_contour
from LesionLensLib.explain.surface.surface_files import read_surface, write_cloud, write_surface
from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

CENTRE = (31.0, -22.0, 55.0)


@pytest.fixture(scope="module")
def surface(oblique_grid: Grid) -> Any:
    """A ball on a left-handed grid with an impact that grows to the right."""
    grid = grid_about(CENTRE, 24, (0.7, 1.3, 3.1), oblique_grid.direction_lps)
    impact = Volume((centres(grid)[..., 0] - CENTRE[0]).astype(np.float32), grid)
    return coloured_contour(impact, ball(grid, CENTRE, 8.0))


def read(reader: Any, path: Path) -> Any:
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def test_a_vtp_holds_the_surface_in_lps_with_both_arrays_and_says_so(surface: Any, tmp_path: Path) -> None:
    write_surface(surface, tmp_path / "surface.vtp")
    found = read(vtkXMLPolyDataReader(), tmp_path / "surface.vtp")
    np.testing.assert_allclose(points_of(found), points_of(surface) * [-1, -1, 1], atol=1e-5)
    np.testing.assert_array_equal(triangles_of(found), triangles_of(surface))
    before, after = point_arrays_of(surface), point_arrays_of(found)
    np.testing.assert_array_equal(after["impact"], before["impact"])
    np.testing.assert_array_equal(after["rgb"], before["rgb"])
    np.testing.assert_allclose(after["Normals"], before["Normals"] * [-1, -1, 1], atol=1e-6)
    assert (after["impact"].dtype, after["rgb"].dtype) == (np.float32, np.uint8)
    assert found.GetFieldData().GetAbstractArray("SPACE").GetValue(0) == "LPS"
    assert found.GetPointData().GetNormals() is not None
    assert enclosed_ml(found) == pytest.approx(enclosed_ml(surface))  # still right side out


def test_what_was_written_is_read_back_in_ras_whichever_space_the_file_states(surface: Any, tmp_path: Path) -> None:
    path = tmp_path / "surface.vtp"
    write_surface(surface, path)
    found = read_surface(path)
    np.testing.assert_allclose(points_of(found), points_of(surface), atol=1e-5)
    np.testing.assert_allclose(point_arrays_of(found)["Normals"], point_arrays_of(surface)["Normals"], atol=1e-6)
    assert found.GetPointData().GetScalars().GetName() == "impact"
    other = read(vtkXMLPolyDataReader(), path)
    other.GetFieldData().GetAbstractArray("SPACE").SetValue(0, "RAS")
    writer = vtkXMLPolyDataWriter()
    writer.SetInputData(other)
    writer.SetFileName(str(path))
    assert writer.Write()
    np.testing.assert_allclose(points_of(read_surface(path)), points_of(other), atol=1e-5)


def test_a_ply_holds_points_normals_colours_and_impact(surface: Any, tmp_path: Path) -> None:
    write_surface(surface, tmp_path / "surface.ply")
    reader = vtkPLYReader()
    found = read(reader, tmp_path / "surface.ply")
    np.testing.assert_allclose(points_of(found), points_of(surface) * [-1, -1, 1], atol=1e-5)
    np.testing.assert_array_equal(triangles_of(found), triangles_of(surface))
    arrays = point_arrays_of(found)
    np.testing.assert_array_equal(arrays["RGB"], point_arrays_of(surface)["rgb"])
    np.testing.assert_allclose(arrays["Normals"], point_arrays_of(surface)["Normals"] * [-1, -1, 1], atol=1e-6)
    comments = [reader.GetComments().GetValue(n) for n in range(reader.GetComments().GetNumberOfValues())]
    assert "SPACE=LPS" in comments
    assert impacts(tmp_path / "surface.ply") == pytest.approx(point_arrays_of(surface)["impact"].tolist())


def impacts(path: Path) -> list[float]:
    """Read the property `impact`, which VTK's reader passes over, by the header's own words."""
    header, body = path.read_bytes().split(b"end_header\n", 1)
    lines = header.decode().splitlines()
    count = next(int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    names = [line.split()[1:] for line in lines if line.startswith("property") and "list" not in line]
    kinds = {"float": "<f4", "uchar": "u1"}
    vertices = np.frombuffer(body, dtype=[(name, kinds[kind]) for kind, name in names], count=count)
    return vertices["impact"].tolist()


def test_an_obj_holds_points_normals_and_the_colour_of_every_vertex(surface: Any, tmp_path: Path) -> None:
    write_surface(surface, tmp_path / "surface.obj")
    reader = vtkOBJReader()
    found = read(reader, tmp_path / "surface.obj")
    assert "SPACE=LPS" in reader.GetComment()
    np.testing.assert_allclose(points_of(found), points_of(surface) * [-1, -1, 1], atol=1e-3)
    np.testing.assert_array_equal(triangles_of(found), triangles_of(surface))
    normals = vtk_to_numpy(found.GetPointData().GetNormals())
    np.testing.assert_allclose(normals, point_arrays_of(surface)["Normals"] * [-1, -1, 1], atol=1e-5)
    rows = [line.split()[4:] for line in (tmp_path / "surface.obj").read_text().splitlines() if line.startswith("v ")]
    np.testing.assert_array_equal(np.rint(np.array(rows, float) * 255), point_arrays_of(surface)["rgb"])


def test_a_cloud_in_mm_is_lps_and_a_unit_cloud_tells_its_way_back_to_ras(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    points = random.uniform((-50, 0, 10), (20, 5, 90), (40, 3))
    cloud = PointCloud(points, random.normal(size=40).astype(np.float32), random.integers(0, 256, (40, 3)).astype("u1"))
    write_cloud(cloud, tmp_path / "cloud.ply")
    found = read(vtkPLYReader(), tmp_path / "cloud.ply")
    np.testing.assert_allclose(points_of(found), points * [-1, -1, 1], atol=1e-5)
    np.testing.assert_array_equal(point_arrays_of(found)["RGB"], cloud.rgb)
    assert impacts(tmp_path / "cloud.ply") == pytest.approx(cloud.impact.tolist())
    write_cloud(unit_cloud(cloud), tmp_path / "unit.ply")
    reader = vtkPLYReader()
    unit = points_of(read(reader, tmp_path / "unit.ply"))
    assert unit.min() == 0
    assert unit.max() == 1
    comments = [reader.GetComments().GetValue(n) for n in range(reader.GetComments().GetNumberOfValues())]
    assert "SPACE=RAS" in comments
    ways = [comment.split() for comment in comments if "_mm =" in comment]  # R_mm = scale * R + offset
    assert [way[0] for way in ways] == ["R_mm", "A_mm", "S_mm"]
    restored = unit * [float(way[2]) for way in ways] + [float(way[6]) for way in ways]
    np.testing.assert_allclose(restored, points, atol=1e-4)


def test_a_file_appears_whole_or_not_at_all(surface: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(content[:10])
        raise OSError(28, "No space left on device")

    (tmp_path / "kept.vtp").write_text("an older surface")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        for name in ("new.vtp", "new.ply", "new.obj", "kept.vtp"):
            with pytest.raises(EnvironmentFault, match=f"{name} could not be written"):
                write_surface(surface, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.vtp"]
    assert (tmp_path / "kept.vtp").read_text() == "an older surface"
    with pytest.raises(EnvironmentFault, match="could not be written"):
        write_surface(surface, tmp_path / "no such folder" / "surface.vtp")


def test_files_that_are_no_surface_are_refused(surface: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no suffix of a surface"):
        write_surface(surface, tmp_path / "surface.stl")
    with pytest.raises(UserError, match="There is no file"):
        read_surface(tmp_path / "missing.vtp")
    (tmp_path / "text.vtp").write_text("not a surface")
    with pytest.raises(UserError, match="no surface"):
        read_surface(tmp_path / "text.vtp")
    write_surface(surface, tmp_path / "cut.vtp")
    whole = (tmp_path / "cut.vtp").read_bytes()
    (tmp_path / "cut.vtp").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cut\.vtp"):
        read_surface(tmp_path / "cut.vtp")
