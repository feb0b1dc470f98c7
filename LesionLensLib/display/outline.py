"""The closed surface of a segment, as 3D Slicer itself makes it from the label map."""

from __future__ import annotations

from typing import Any

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonTransforms import vtkTransform
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals, vtkWindowedSincPolyDataFilter
from vtkmodules.vtkFiltersGeneral import vtkDiscreteFlyingEdges3D, vtkTransformPolyDataFilter

from LesionLensLib.geometry import Grid
from LesionLensLib.images.volume import Volume

# Slicer's default of 0.5 shrinks lesions of a few voxels away.
SMOOTHING = 0.35


def closed_surface(labels: Volume, value: int, smoothing: float = SMOOTHING) -> Any:
    """Return vtkPolyData in RAS around the voxels of a label map that have `value`; it has no points for none.

    Step for step what Slicer does, so that a segmentation looks alike whoever made its surface. Source: Slicer,
    Libs/vtkSegmentationCore/vtkBinaryLabelmapToClosedSurfaceConversionRule.cxx.
    """
    inside = np.pad((labels.array == value).astype(np.uint8), 1)
    image = vtkImageData()
    size_i, size_j, size_k = labels.grid.size
    image.SetExtent(-1, size_i, -1, size_j, -1, size_k)
    image.GetPointData().SetScalars(numpy_to_vtk(inside.ravel(), deep=False))
    contour = vtkDiscreteFlyingEdges3D()
    contour.SetInputData(image)
    contour.ComputeGradientsOff()
    contour.ComputeNormalsOff()
    contour.SetValue(0, 1)
    smoother = vtkWindowedSincPolyDataFilter()
    smoother.SetInputConnection(contour.GetOutputPort())
    # What Slicer 5.12 takes, found by its surfaces; an older one may take 20 for every factor.
    smoother.SetNumberOfIterations(20 + round(40 * smoothing))
    smoother.SetPassBand(10.0 ** (-4.0 * smoothing))
    smoother.BoundarySmoothingOff()
    smoother.FeatureEdgeSmoothingOff()
    smoother.NonManifoldSmoothingOn()
    smoother.NormalizeCoordinatesOn()
    mover = vtkTransformPolyDataFilter()
    mover.SetInputConnection(smoother.GetOutputPort())
    mover.SetTransform(ijk_to_ras_transform(labels.grid))
    normals = vtkPolyDataNormals()
    normals.SetInputConnection(mover.GetOutputPort())
    normals.ConsistencyOn()
    normals.SplittingOff()
    normals.Update()
    return normals.GetOutput()


def ijk_to_ras_transform(grid: Grid) -> Any:
    """Return the vtkTransform from voxel indices to RAS (mm)."""
    transform = vtkTransform()
    transform.SetMatrix(grid.ijk_to_ras.ravel().tolist())
    return transform
