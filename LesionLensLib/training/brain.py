"""A real brain as the training set holds it: aligned channels at 1 mm, its tissues, what is known of its lesions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from LesionLensLib.geometry import Grid

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

CSF, GREY, WHITE = 1, 2, 3
CHANNELS = ("T1", "T2", "FLAIR")
# Where the classes lie in z-scored (T1, T2, FLAIR): the contrast that defines these sequences. Fluid mixed with tissue
# has a class of its own, since in an atrophied brain it is as large as the cortex; it counts as fluid. Grey and white
# matter are told apart afterwards, on a scale that fluid no longer stretches.
FLUID_SEEDS = np.array([[-2.0, 2.2, -2.2], [-1.3, 1.0, -1.0], [-0.1, 0.0, 0.5], [0.8, -0.6, 0.2]])
MATTER_SEEDS = np.array([[-0.8, 0.6, 0.5], [0.7, -0.5, -0.4]])
FARTHEST_SD = 2.5


@dataclass(frozen=True, eq=False)
class Brain:
    """One visit: `channels` (C, D, H, W) in scanner units in the order of `CHANNELS`, masks (D, H, W), all on `grid`.

    `lesion` is the complete real label where one exists, otherwise None; `suspect` marks tissue that may be diseased
    without being labelled. `tissue` is 0 outside the brain, then `CSF`, `GREY`, `WHITE`.
    """

    name: str
    patient: str
    channels: FloatArray
    grid: Grid
    brain: BoolArray
    tissue: NDArray[np.uint8]
    suspect: BoolArray
    lesion: BoolArray | None = None


def classify_tissue(channels: FloatArray, brain: BoolArray, excluded: BoolArray) -> NDArray[np.uint8]:
    """Split the brain into cerebrospinal fluid, grey and white matter by k-means on the three z-scored channels.

    `channels` (3, D, H, W) in the order T1, T2, FLAIR; voxels in `excluded` (lesions) do not move the class centres
    but are classified like the rest.
    """
    tissue = np.zeros(brain.shape, np.uint8)
    fluid = _nearest_class(channels, brain, excluded, FLUID_SEEDS) < 2
    matter = brain.copy()
    matter[brain] = ~fluid
    tissue[brain] = CSF
    tissue[matter] = GREY + _nearest_class(channels, matter, excluded, MATTER_SEEDS)
    return tissue


def _nearest_class(channels: FloatArray, where: BoolArray, excluded: BoolArray, seeds: FloatArray) -> NDArray[np.intp]:
    """Return the k-means class of every voxel of `where`, started from `seeds` (classes, C) in z-scores."""
    healthy = where & ~excluded
    centre = np.median(channels[:, healthy], axis=1, keepdims=True)
    deviation = channels[:, healthy].std(axis=1, keepdims=True)
    features = np.clip((channels[:, where] - centre) / deviation, -FARTHEST_SD, FARTHEST_SD).T
    centres, _ = kmeans2(features[~excluded[where]][::7], seeds, iter=30, minit="matrix")
    distances = np.stack([((features - c) ** 2).sum(axis=1) for c in centres])
    nearest: NDArray[np.intp] = distances.argmin(axis=0)
    return nearest
