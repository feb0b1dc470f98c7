"""Read the real brains that the training set is built from, and bring them onto 1 mm grids of a common orientation."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.vq import kmeans2

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_transform, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.bias_field import correct_bias
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.brain import CHANNELS, BoolArray, Brain, FloatArray, classify_tissue
from LesionLensLib.training.healing import find_hyperintense_tissue

SPACING_MM = (1.0, 1.0, 1.0)
MARGIN_MM = 6
T1_SEEDS = (0.15, 0.6, 0.9)
"""About where fluid, grey and white matter lie between the darkest and the brightest of the brain on T1."""


def read_brain(row: ManifestRow) -> Brain:
    """Read a case of the manifest around its brain at 1 mm, in patient axes, in the frame of its FLAIR image.

    The channels are corrected for the coils' shading, as they are at inference. With a complete `lesion` label it is a
    labelled brain. Without, what FLAIR and T2 show too bright, and what the column `suspect` marks, is `suspect`.
    `T1_transform` and `T2_transform` map FLAIR points to points of that channel.
    """
    flair, mask = read_volume(row.files["FLAIR"]), read_volume(row.files["brain"])
    grid = _box_around(mask).closest_to_lps().with_spacing(SPACING_MM)
    channels = np.stack([_on_grid(row, role, grid) for role in CHANNELS[:2]] + [resample(flair, grid).array])
    brain = resample(mask, grid, "nearest").array > 0
    channels = np.stack([correct_bias(channel, brain, SPACING_MM) for channel in channels])
    if row.has("lesion"):
        lesion = resample(read_volume(row.files["lesion"]), grid, "nearest").array > 0
        tissue = classify_tissue(channels, brain, ndimage.binary_dilation(lesion, iterations=1))
        suspect = find_hyperintense_tissue(channels, brain, tissue) & ~lesion
        return Brain(row.case, row.patient, channels, grid, brain, tissue, suspect, lesion)
    tissue = classify_tissue(channels, brain, np.zeros_like(brain))
    suspect = find_hyperintense_tissue(channels, brain, tissue)
    if row.has("suspect"):
        known = resample(read_volume(row.files["suspect"]), grid, "nearest").array > 0
        suspect |= ndimage.binary_dilation(known, iterations=1)
    return Brain(row.case, row.patient, channels, grid, brain, tissue, suspect)


def read_anatomy(row: ManifestRow) -> tuple[Brain, NDArray[np.uint8]]:
    """Read a brain of which T1 alone is known, as an anatomy for painting, with its tissue shares (3, D, H, W).

    Where T1 lies between two classes, the voxel is a mixture of both; that keeps the deep nuclei between grey and white
    matter, which they are. Shares are in 255ths.
    """
    mask = read_volume(row.files["brain"])
    grid = _box_around(mask).closest_to_lps().with_spacing(SPACING_MM)
    t1 = resample(read_volume(row.files["T1"]), grid).array.astype(np.float32)
    brain = resample(mask, grid, "nearest").array > 0
    low, high = np.percentile(t1[brain], (2, 98))
    seeds = low + np.array(T1_SEEDS)[:, None] * (high - low)
    centres, _ = kmeans2(t1[brain][::7, None], seeds, iter=30, minit="matrix")
    fluid, grey, white = np.sort(centres[:, 0])
    to_grey = np.clip((t1 - fluid) / (grey - fluid), 0, 1)
    to_white = np.clip((t1 - grey) / (white - grey), 0, 1)
    shares = np.stack([1 - to_grey, to_grey - to_white, to_white]) * brain
    tissue = np.where(brain, 1 + shares.argmax(axis=0), 0).astype(np.uint8)
    nothing = np.zeros_like(brain)
    return Brain(row.case, row.patient, t1[None], grid, brain, tissue, nothing), np.rint(255 * shares).astype(np.uint8)


def _on_grid(row: ManifestRow, role: str, grid: Grid) -> FloatArray:
    column = f"{role}_transform"
    transform = read_transform(row.files[column]) if row.has(column) else None
    return resample(read_volume(row.files[role]), grid, "linear", transform).array.astype(np.float32)


def align(moving: Brain, fixed: Brain) -> sitk.Transform:
    """Return the affine transform that maps points of `moving` to points of `fixed` (standard space), by FLAIR.

    Only the place of lesion masks depends on it, so a few millimetres of error are harmless.
    """
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 100, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    target, source = _stripped_flair(moving), _stripped_flair(fixed)
    start = sitk.CenteredTransformInitializer(
        target, source, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    method.SetInitialTransform(start, inPlace=False)
    transform: sitk.Transform = method.Execute(target, source)
    return transform


def outline_on(brain: Brain, mask: Volume, to_standard: sitk.Transform, jitter: sitk.Transform) -> BoolArray:
    """Bring a lesion mask of standard space onto the grid of `brain` (D, H, W), moved by a random `jitter`."""
    both = sitk.CompositeTransform([jitter, to_standard])
    soft = Volume(mask.array.astype(np.float32), mask.grid)
    inside: BoolArray = resample(soft, brain.grid, "linear", both).array > 0.5
    return inside


def _stripped_flair(brain: Brain) -> sitk.Image:
    return Volume((brain.channels[2] * brain.brain).astype(np.float32), brain.grid).to_sitk()


def _box_around(mask: Volume) -> Grid:
    """Return the part of the mask's grid that holds it, with a margin."""
    ijk = np.argwhere(mask.array > 0)[:, ::-1]
    margin = np.ceil(MARGIN_MM / np.array(mask.grid.spacing_mm)).astype(int)
    lower = np.maximum(ijk.min(axis=0) - margin, 0)
    upper = np.minimum(ijk.max(axis=0) + margin + 1, mask.grid.size)
    return mask.grid.cropped([int(n) for n in lower], [int(n) for n in upper - lower])
