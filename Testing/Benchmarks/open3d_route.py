"""The paper's way to a coloured surface by Open3D: its normals, minimum spanning tree and Poisson at depth 8."""

from __future__ import annotations

import ctypes
from types import ModuleType
from typing import Any

import numpy as np

from LesionLensLib.display.polydata import contour
from LesionLensLib.explain.surface.contour import in_patient
from LesionLensLib.explain.surface.neighbours import coloured_by_nearest
from LesionLensLib.explain.surface.point_cloud import cloud_about
from LesionLensLib.explain.surface.sampling import sample_surface
from LesionLensLib.images.volume import Volume

DEPTH, NORMAL_NEIGHBOURS = 8, 20


def find_open3d() -> ModuleType | None:
    """Return Open3D where it is installed; its wheel wants libusb-1.0, which the package libusb-package has too."""
    try:
        from libusb_package import get_library_path

        ctypes.CDLL(str(get_library_path()), mode=ctypes.RTLD_GLOBAL)
    except ImportError:
        pass  # then the system's own libusb must do
    try:
        import open3d
    except ImportError:
        return None
    found: ModuleType = open3d
    return found


def open3d_surface(open3d: Any, impact: Volume, mask: Volume, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (N, 3) in RAS and impacts (N,) of the mesh.

    The surface the points are drawn on is the contour of the mask as it is; everything before the normals is our own.
    """
    inside = mask.array.astype(np.uint8)  # with background all around, as the benchmark draws it
    chosen = in_patient(contour(inside, 0.5, mask.grid.spacing_mm), mask.grid)
    drawn = sample_surface(chosen, points)
    cloud = coloured_by_nearest(drawn, cloud_about(impact, mask.grid, drawn))
    theirs = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud.points_ras))
    theirs.estimate_normals(open3d.geometry.KDTreeSearchParamKNN(NORMAL_NEIGHBOURS))
    theirs.orient_normals_consistent_tangent_plane(NORMAL_NEIGHBOURS)
    mesh, _ = open3d.geometry.TriangleMesh.create_from_point_cloud_poisson(theirs, depth=DEPTH, n_threads=1)
    vertices = np.asarray(mesh.vertices)
    return vertices, coloured_by_nearest(vertices, cloud).impact
