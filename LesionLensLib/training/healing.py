"""Turn a diseased brain into a lesion-free one, so that lesions with a known outline can be planted into it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.images import Volume
from LesionLensLib.training.brain import GREY, WHITE, BoolArray, Brain, FloatArray

WHITE_MATTER_REACH_MM = 5.0
NEAR_MM = 3.0


def local_white_matter(channels: FloatArray, white: BoolArray, reach_mm: float = WHITE_MATTER_REACH_MM) -> FloatArray:
    """Return the mean white-matter intensity around every voxel `(C, D, H, W)`, by normalised convolution.

    The average is weighted by a Gaussian of `reach_mm` (1 mm voxels). Far from any white matter it tends to the
    mean of the whole white matter.
    """
    weight = ndimage.gaussian_filter(white.astype(np.float32), reach_mm)
    out = np.empty_like(channels)
    for index, channel in enumerate(channels):
        overall = channel[white].mean()
        smooth = ndimage.gaussian_filter(np.where(white, channel - overall, 0).astype(np.float32), reach_mm)
        out[index] = overall + smooth / np.maximum(weight, 1e-3)
    return out


def find_hyperintense_tissue(
    channels: FloatArray, brain: BoolArray, tissue: NDArray[np.uint8], reach_mm: float = 12.0
) -> BoolArray:
    """Mark tissue that looks diseased (D, H, W): brighter on FLAIR and T2 than the white matter around it.

    It is meant to miss little, not to be right: what it marks is healed, and never serves as a label. The cortex is
    nearly as bright as a lesion, so near the surface only what is far brighter than cortex counts.
    """
    white = ndimage.binary_erosion(tissue == WHITE)
    residual = channels[1:] - local_white_matter(channels[1:], white, reach_mm)
    spread = _robust_sd(residual, white)
    cortex = np.median(residual[1][tissue == GREY]) + 3 * _robust_sd(residual[1:], tissue == GREY)[0, 0, 0, 0]
    certain = brain & (residual[1] > np.maximum(cortex, 4 * spread[1, 0, 0, 0])) & (residual[0] > 0)
    depth = ndimage.distance_transform_edt(brain)
    surrounded = ndimage.gaussian_filter((tissue == WHITE).astype(np.float32), 3) > 0.45
    likely = brain & (residual[1] > 4 * spread[1]) & (residual[0] > 2.5 * spread[0])
    bright = brain & (residual[1] > 4 * spread[1]) & (depth > 3)
    grown = ndimage.binary_propagation(certain, mask=bright | certain) & ndimage.binary_dilation(certain, iterations=2)
    marked = grown | ndimage.binary_opening(likely & surrounded & (depth > 6))
    suspect: BoolArray = ndimage.binary_dilation(marked, iterations=1) & brain
    return suspect


def where_lesions_lie(masks: Sequence[Volume]) -> Volume:
    """Return how often a lesion is near each place of standard space, from 0 to 1, over the patients of `masks`.

    The masks share one grid. Limbic cortex and the walls of the ventricles can be as bright as a lesion; what tells
    them apart best is that lesions hardly ever lie there.
    """
    share = np.mean([mask.array > 0 for mask in masks], axis=0, dtype=np.float32)
    return Volume(ndimage.gaussian_filter(share, NEAR_MM), masks[0].grid)


def keep_where_lesions_lie(suspect: BoolArray, frequency: FloatArray, least: float = 0.015) -> BoolArray:
    """Return the connected parts of `suspect` (D, H, W) where lesions are found in at least that share of patients."""
    labels, count = ndimage.label(suspect, np.ones((3, 3, 3)))
    mean = ndimage.mean(frequency, labels, np.arange(count + 1))
    kept: BoolArray = suspect & (np.asarray(mean)[labels] >= least)
    return kept


def _robust_sd(values: FloatArray, where: BoolArray) -> FloatArray:
    """Return the standard deviation of each channel `(C, 1, 1, 1)` from the median distance to the median."""
    inside = values[:, where]
    middle = np.median(inside, axis=1, keepdims=True)
    out: FloatArray = 1.4826 * np.median(np.abs(inside - middle), axis=1).reshape(-1, 1, 1, 1)
    return out


def heal(brain: Brain, rng: np.random.Generator) -> FloatArray:
    """Return the channels `(C, D, H, W)` with every lesion and suspect voxel replaced by white matter.

    The replacement is the white matter around the place plus the texture of white matter from elsewhere in the same
    image, so that neither smoothness nor noise gives the place away.
    """
    sick = brain.suspect.copy()
    if brain.lesion is not None:
        sick |= ndimage.binary_dilation(brain.lesion, iterations=2) & (brain.tissue >= GREY)
        sick |= brain.lesion
    white = (brain.tissue == WHITE) & ~ndimage.binary_dilation(sick, iterations=1)
    local = local_white_matter(brain.channels, white)
    blend = ndimage.gaussian_filter(sick.astype(np.float32), 0.7)
    blend[sick] = np.maximum(blend[sick], 0.9)
    healed = brain.channels.copy()
    for index in range(len(healed)):
        texture = _borrowed_texture(brain.channels[index] - local[index], white, rng)
        healed[index] += blend * (local[index] + texture - brain.channels[index])
    return healed


def _borrowed_texture(residual: FloatArray, white: BoolArray, rng: np.random.Generator) -> FloatArray:
    shift = tuple(int(s) for s in rng.integers(8, 25, 3) * rng.choice([-1, 1], 3))
    moved = np.roll(np.where(white, residual, 0), shift, axis=(0, 1, 2))
    known = np.roll(white, shift, axis=(0, 1, 2))
    spread = 0.5 * residual[white].std()
    noise = ndimage.gaussian_filter(rng.normal(size=residual.shape), 0.6)
    filled = np.where(known, moved, noise * (spread / noise.std()))
    return np.clip(filled, -2 * spread, 2 * spread).astype(np.float32)
