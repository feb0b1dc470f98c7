"""Simple masks from intensities alone: where an image has a head in it, and whether only the brain is left."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.images.volume import Volume

# A grown head is above 3 litres, a whole brain below 2.2; what is left of a stripped image lies in between.
LARGEST_BRAIN_ML = 2200.0
MIN_EMPTY_SHARE = 0.2


def is_skull_stripped(volume: Volume) -> bool:
    """Return whether an image shows a brain alone: much of it exactly 0, and the rest no larger than a brain."""
    filled = int(np.count_nonzero(volume.array))
    empty_share = 1.0 - filled / volume.array.size
    return empty_share >= MIN_EMPTY_SHARE and filled * volume.grid.voxel_ml <= LARGEST_BRAIN_ML


def nonzero_mask(volume: Volume) -> NDArray[np.bool_]:
    """Return the largest connected part of the voxels that are not 0, holes filled; `(k, j, i)`."""
    return largest_part(volume.array != 0)


def head_mask(volume: Volume) -> NDArray[np.bool_]:
    """Return the largest connected part brighter than the background by Otsu's threshold, holes filled; `(k, j, i)`.

    Source: Otsu, IEEE Trans. Systems, Man and Cybernetics 9(1), 1979.
    """
    image = sitk.GetImageFromArray(volume.array.astype(np.float32))
    return largest_part(sitk.GetArrayFromImage(sitk.OtsuThreshold(image, 0, 1)) != 0)


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest 6-connected part of a mask `(k, j, i)` with its holes filled."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    largest = np.bincount(labels.ravel())[1:].argmax() + 1
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(labels == largest)
    return filled
