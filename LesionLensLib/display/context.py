"""The outside of brain, head or body around a result, so that the place of a lesion in 3D is understood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkPolyDataNormals, vtkWindowedSincPolyDataFilter
from vtkmodules.vtkFiltersGeneral import vtkTransformPolyDataFilter

from LesionLensLib.display.outline import ijk_to_ras_transform
from LesionLensLib.geometry import Grid
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume

BRAIN, HEAD, BODY = "brain", "head", "body"
CT = "CT"
BRAIN_MASK_FILE = "brain.nrrd"
WORKING_SPACING_MM = (2.0, 2.0, 2.0)
_BODY_FROM_HU = -300.0
_BODY_SPACING_MM = (4.0, 4.0, 4.0)


@dataclass(frozen=True)
class Context:
    """What lies around a result, `brain`, `head` or `body`, as vtkPolyData in RAS."""

    kind: str
    surface: Any


def context_of(folder: Path, report: Mapping[str, Any], reference: Volume, brain: Volume | None) -> Context | None:
    """Return what lies around the result of a parsed `report.json`: the body in a CT, else the brain, or the head.

    `reference` is the image on whose grid the result lies. Without a mask of the brain, or one in the result folder,
    it is the head. None where no surface can be found, and for a prediction from other images than a CT.
    """
    result = report["result"]
    modalities = report.get("settings", {}).get("modalities", {})
    if modalities.get(report["model"].get("reference_role")) == CT:
        return around_body(reference, result["center_ras"])
    if "probability" in result and "method" not in result:
        return None
    mask_file = folder / BRAIN_MASK_FILE
    if brain is None and mask_file.exists():
        brain = read_volume(mask_file)
    return around_brain(reference, brain)


def around_brain(reference: Volume, brain: Volume | None) -> Context | None:
    """Return the outside of the brain mask, or of the head in `reference` where there is no mask; None for neither.

    The mask may lie on any grid.
    """
    source = reference if brain is None else brain
    grid = source.grid.with_spacing(WORKING_SPACING_MM)
    if brain is None:
        mask = head_mask(resample(source, grid).array)
    else:
        mask = resample(Volume((brain.array > 0).astype(np.float32), brain.grid), grid).array > 0.5
    return Context(HEAD if brain is None else BRAIN, mask_surface(mask, grid)) if mask.any() else None


def around_body(ct: Volume, lesion_ras: Sequence[float]) -> Context | None:
    """Return the surface of the body: the piece of a CT denser than air that holds the lesion, its holes filled.

    A scan of the legs has two pieces. Where the lesion (RAS, mm) lies in none, it is the largest.
    """
    coarse = resample(ct, ct.grid.with_spacing(_BODY_SPACING_MM), fill=-1000.0)
    labels, count = ndimage.label(coarse.array > _BODY_FROM_HU)
    if not count:
        return None
    ijk = np.rint(coarse.grid.ijk_from_ras(lesion_ras)).astype(int)
    i, j, k = np.clip(ijk, 0, np.array(coarse.grid.size) - 1)
    piece = int(labels[k, j, i]) or int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    body = np.stack([ndimage.binary_fill_holes(plane) for plane in labels == piece])
    grid = coarse.grid.with_spacing(WORKING_SPACING_MM)
    mask = resample(Volume(body.astype(np.float32), coarse.grid), grid).array > 0.5
    return Context(BODY, mask_surface(mask, grid)) if mask.any() else None


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
    image = vtkImageData()
    image.SetDimensions(soft.shape[::-1])
    image.SetOrigin(-2.0, -2.0, -2.0)
    image.GetPointData().SetScalars(numpy_to_vtk(soft.ravel(), deep=True))
    contour = vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 0.5)
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()  # Slicer would colour the model by them
    smoother = vtkWindowedSincPolyDataFilter()
    smoother.SetInputConnection(contour.GetOutputPort())
    smoother.SetNumberOfIterations(20)
    smoother.SetPassBand(0.05)
    smoother.NormalizeCoordinatesOn()
    mover = vtkTransformPolyDataFilter()
    mover.SetInputConnection(smoother.GetOutputPort())
    mover.SetTransform(ijk_to_ras_transform(grid))
    normals = vtkPolyDataNormals()
    normals.SetInputConnection(mover.GetOutputPort())
    normals.SplittingOff()
    normals.AutoOrientNormalsOn()
    normals.Update()
    return normals.GetOutput()
