"""Rigid registration of one channel to another, and reading of transforms made elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LesionLensLib.errors import UserError
from LesionLensLib.images.itk_messages import last_line, quiet_itk, single_thread
from LesionLensLib.images.volume import Volume

TRANSFORM_SUFFIXES = (".txt", ".tfm", ".h5", ".hdf5", ".mat", ".xfm")
_HISTOGRAM_BINS = 48
_SAMPLES = 200_000
_ITERATIONS = 200


def read_transform(path: str | Path) -> sitk.Transform:
    """Read an ITK transform (`.txt`, `.tfm`, `.h5`, `.mat`) that maps points in LPS, mm, to points in LPS.

    Raises `UserError` where the file is missing, is no transform, or is not three-dimensional and finite.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no transform file {path.name}.", "Check the path.")
    # ITK asks its HDF5 reader about every file, which prints pages of errors about those that are none.
    if path.suffix.lower() not in TRANSFORM_SUFFIXES or not _starts_like_its_suffix(path):
        raise _no_transform(path)
    try:
        with quiet_itk():
            transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise _no_transform(path, last_line(error)) from error
    if transform.GetDimension() != 3 or not np.all(np.isfinite(transform.GetParameters())):
        raise _no_transform(path, f"dimension {transform.GetDimension()}")
    return transform


def _starts_like_its_suffix(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(64)
    if path.suffix.lower() in (".txt", ".tfm"):
        return start.startswith(b"#Insight Transform File")
    if path.suffix.lower() in (".h5", ".hdf5"):
        return start.startswith(b"\x89HDF\r\n\x1a\n")
    return bool(start.strip())


def _no_transform(path: Path, detail: str = "") -> UserError:
    return UserError(
        f"{path.name} is not a three-dimensional ITK transform.",
        "Give an ITK transform file (.txt, .tfm, .h5 or .mat) that maps reference points to the channel's points.",
        detail,
    )


def register_rigid(fixed: Volume, moving: Volume, seed: int = 0) -> sitk.Transform:
    """Return the rigid transform that maps points of `fixed` (LPS, mm) to points of `moving`.

    Mattes mutual information from coarse to fine, started from the headers or, where that fits better, from the
    centres of mass. The same input and seed give the same transform: samples are drawn with the seed and the metric is
    summed by one thread. Raises `UserError` where the images share too little to be compared.
    Source: Mattes et al., IEEE TMI 22(1), 2003, as in ITK's ImageRegistrationMethod.
    """
    fixed_image = sitk.Cast(fixed.to_sitk(), sitk.sitkFloat32)
    moving_image = sitk.Cast(moving.to_sitk(), sitk.sitkFloat32)
    try:
        with quiet_itk(), single_thread():
            method = _method(fixed, seed)
            method.SetInitialTransform(_best_start(method, fixed_image, moving_image), inPlace=False)
            found = sitk.CompositeTransform(method.Execute(fixed_image, moving_image)).GetNthTransform(0)
    except RuntimeError as error:
        raise UserError(
            "The channels share too little of the head to be registered.",
            "Check that all images show the same patient, or give a transform.",
            last_line(error),
        ) from error
    return found


def _method(fixed: Volume, seed: int) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_HISTOGRAM_BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    # ITK takes seed 0 for "by the clock".
    method.SetMetricSamplingPercentage(min(1.0, _SAMPLES / float(np.prod(fixed.grid.size))), seed + 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=1e-3, numberOfIterations=_ITERATIONS, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([3.0, 1.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


def _best_start(method: sitk.ImageRegistrationMethod, fixed: sitk.Image, moving: sitk.Image) -> sitk.Euler3DTransform:
    """Return the start with the better metric: the place the headers state, or centre of mass on centre of mass."""
    centred = sitk.Euler3DTransform(
        sitk.CenteredTransformInitializer(
            fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
        )
    )
    as_stated = sitk.Euler3DTransform()
    as_stated.SetCenter(centred.GetCenter())
    scores = [(_score(method, fixed, moving, start), start) for start in (as_stated, centred)]
    return min(scores, key=lambda pair: pair[0])[1]


def _score(
    method: sitk.ImageRegistrationMethod, fixed: sitk.Image, moving: sitk.Image, start: sitk.Euler3DTransform
) -> float:
    method.SetInitialTransform(start, inPlace=False)
    try:
        return float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:
        return float("inf")  # ITK's way of saying that nothing overlaps from this start
