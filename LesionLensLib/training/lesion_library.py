"""What real lesions look like: their shapes in standard space, and their contrast in three channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from LesionLensLib.training.brain import CSF, WHITE, BoolArray, Brain, FloatArray
from LesionLensLib.training.healing import local_white_matter

TOUCHING_26 = ndimage.generate_binary_structure(3, 3)
SMALLEST_MEASURED_VOXELS = 10
LIKE_SIZED = 12


@dataclass(frozen=True)
class LesionContrast:
    """Contrast of real lesions to the white matter around them, in units of the white-matter-to-CSF difference.

    `mean` and `spread` are (lesions, C): a value of 1 in T2 would be a lesion as bright as cerebrospinal fluid. The
    unit does not depend on the scanner, its gain or the window the image was stored with. `voxels` (lesions,) are the
    sizes: small lesions are fainter, by partial volume.
    """

    mean: FloatArray
    spread: FloatArray
    voxels: FloatArray

    def draw(self, voxels: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return contrast and inner spread, both (C,), of a random one of the real lesions nearest to that size."""
        nearest = np.argsort(np.abs(np.log(self.voxels / voxels)))[:LIKE_SIZED]
        index = int(nearest[rng.integers(len(nearest))])
        return self.mean[index], self.spread[index]


def tissue_unit(channels: FloatArray, brain: Brain) -> FloatArray:
    """Return |white matter - pure CSF| of each channel `(C, 1, 1, 1)`, the yardstick of `LesionContrast`.

    Pure fluid is the far end of the fluid class, whose middle is mixed with tissue by partial volume.
    """
    white = np.median(channels[:, (brain.tissue == WHITE) & ~brain.suspect], axis=1)
    fluid = np.percentile(channels[:, brain.tissue == CSF], (5, 95), axis=1)
    unit: FloatArray = np.abs(fluid - white).max(axis=0).reshape(-1, 1, 1, 1).astype(np.float32)
    return unit


def measure_lesion_contrast(brain: Brain) -> LesionContrast:
    """Measure every real lesion of at least `SMALLEST_MEASURED_VOXELS` voxels in a labelled brain.

    The outermost voxels are left out where enough remain: partial volume would make the lesion look fainter than it is.
    Without contrast agent no MS lesion is brighter on T1, or darker on T2 and FLAIR, than white matter: such a value is
    cortex beside the lesion and is cut to 0. Raises `ValueError` when the brain has no complete lesion label.
    """
    if brain.lesion is None:
        raise ValueError(f"{brain.name} has no complete lesion label to measure")
    white = ndimage.binary_erosion(brain.tissue == WHITE) & ~ndimage.binary_dilation(brain.lesion, iterations=2)
    relative = (brain.channels - local_white_matter(brain.channels, white)) / tissue_unit(brain.channels, brain)
    labels, count = ndimage.label(brain.lesion, TOUCHING_26)
    core = ndimage.binary_erosion(brain.lesion)
    means, spreads, sizes = [], [], []
    for number in range(1, count + 1):
        voxels = labels == number
        if voxels.sum() < SMALLEST_MEASURED_VOXELS:
            continue
        inner = voxels & core
        values = relative[:, inner if inner.sum() >= SMALLEST_MEASURED_VOXELS else voxels]
        means.append(values.mean(axis=1))
        spreads.append(values.std(axis=1))
        sizes.append(voxels.sum())
    sign = np.array([-1.0, 1.0, 1.0])
    kept = sign * np.maximum(sign * np.array(means), 0)
    return LesionContrast(kept.astype(np.float32), np.array(spreads, np.float32), np.array(sizes, np.float32))


@dataclass(frozen=True)
class ScatteredLesion:
    """One small lesion cut out of a mask, to be planted anywhere: a boolean box (D, H, W)."""

    shape: BoolArray


def small_lesions(masks: list[BoolArray], smallest: int = 4, largest: int = 250) -> list[ScatteredLesion]:
    """Cut every lesion of `smallest` to `largest` voxels out of the masks (1 mm voxels)."""
    found = []
    for mask in masks:
        labels, _ = ndimage.label(mask, TOUCHING_26)
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            shape = labels[box] == number
            if smallest <= shape.sum() <= largest:
                found.append(ScatteredLesion(shape))
    return found
