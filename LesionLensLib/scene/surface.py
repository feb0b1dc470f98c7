"""A translucent surface of the brain or head, so that the place of a lesion in 3D is understood."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from numpy.typing import NDArray
from scipy import ndimage
from vtk.util.numpy_support import numpy_to_vtk

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume

WORKING_SPACING_MM = (2.0, 2.0, 2.0)
COLOR = (0.80, 0.74, 0.70)
OPACITY = 0.45


def add_context_surface(reference: Volume, brain: Volume | None, name: str) -> Any | None:
    """Add a model node with the outside of the brain mask, or of the head in `reference` where there is no mask.

    The mask may lie on any grid. Returns None where no surface can be found, as in an empty image.
    """
    source = reference if brain is None else brain
    grid = source.grid.with_spacing(WORKING_SPACING_MM)
    if brain is None:
        mask = head_mask(resample(source, grid).array)
    else:
        mask = resample(Volume((brain.array > 0).astype(np.float32), brain.grid), grid).array > 0.5
    if not mask.any():
        return None
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
    model.SetAndObservePolyData(mask_surface(mask, grid))
    model.CreateDefaultDisplayNodes()
    display = model.GetDisplayNode()
    display.SetColor(*COLOR)
    display.SetOpacity(OPACITY)
    display.SetBackfaceCulling(True)  # the far wall behind the near one only greys the lesions
    display.SetSpecular(0.35)
    display.SetPower(25)
    display.SetVisibility2D(False)
    model.SetSelectable(False)  # a picture's frame, not something to measure or edit
    return model


def head_mask(array: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the largest bright object of an image `(k, j, i)` with its holes filled: the head, or a stripped brain."""
    # A few hot voxels would otherwise put everything else into Otsu's dark class.
    calm = np.minimum(array, np.percentile(array, 99.5)).astype(np.float32)
    smooth = ndimage.gaussian_filter(calm, 1.0)
    if smooth.min() == smooth.max():
        return np.zeros(array.shape, dtype=np.bool_)
    # Otsu parts bright from dark tissue; half of it parts the head from air.
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(smooth))
    labels, count = ndimage.label(smooth > 0.5 * otsu.GetThreshold())
    if not count:
        return np.zeros(array.shape, dtype=np.bool_)
    largest = labels == int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    closed = ndimage.binary_closing(np.pad(largest, 3), iterations=3)[3:-3, 3:-3, 3:-3]
    return np.asarray(ndimage.binary_fill_holes(closed), dtype=np.bool_)


def mask_surface(mask: NDArray[np.bool_], grid: Grid) -> Any:
    """Return smooth vtkPolyData in RAS around a mask `(k, j, i)` on `grid`, with normals that point outwards."""
    soft = ndimage.gaussian_filter(np.pad(mask, 2).astype(np.float32), 0.9)  # padded, so that a cut head is closed
    image = vtk.vtkImageData()
    image.SetDimensions(soft.shape[::-1])
    image.SetOrigin(-2.0, -2.0, -2.0)
    image.GetPointData().SetScalars(numpy_to_vtk(soft.ravel(), deep=True))
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 0.5)
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()  # Slicer would colour the model by them
    smoother = vtk.vtkWindowedSincPolyDataFilter()
    smoother.SetInputConnection(contour.GetOutputPort())
    smoother.SetNumberOfIterations(20)
    smoother.SetPassBand(0.05)
    smoother.NormalizeCoordinatesOn()
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetInputConnection(smoother.GetOutputPort())
    mover.SetTransform(_ijk_to_ras_transform(grid))
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(mover.GetOutputPort())
    normals.SplittingOff()
    normals.AutoOrientNormalsOn()
    normals.Update()
    return normals.GetOutput()


def _ijk_to_ras_transform(grid: Grid) -> Any:
    transform = vtk.vtkTransform()
    transform.SetMatrix(grid.ijk_to_ras.ravel().tolist())
    return transform
