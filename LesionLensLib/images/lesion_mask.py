"""Read a lesion mask, from an image or from contours, onto the grid of an image, and part it into lesions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.errors import UserError
from LesionLensLib.images.labelmap import SEGMENTATION_SUFFIX, read_labelmap
from LesionLensLib.images.read import known_suffix, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume

# Voxels that touch by a face, an edge or a corner belong together.
_NEIGHBOURS_26 = np.ones((3, 3, 3), dtype=bool)
ROOM_VOXELS = 16
"""Wider than any blur by which a mask is brought onto a coarser grid."""


def read_lesion_mask(path: str | Path, reference: Volume, roi: str = "") -> Volume:
    """Return the mask at `path` as 0 and 1 (uint8) on the grid of `reference`.

    Raises `UserError` as `read_drawn_mask`, and for a mask that lies outside of `reference`.
    """
    mask = resample(read_drawn_mask(path, reference, roi), reference.grid, "nearest")
    if not mask.array.any():
        raise UserError(
            f"The mask {Path(path).name} covers no voxel of the image.",
            "Give a mask made on this image or on another one of the same examination.",
        )
    return mask


def read_drawn_mask(path: str | Path, reference: Volume, roi: str = "") -> Volume:
    """Return the mask at `path` as 0 and 1 (uint8) on the grid it was drawn on; contours on that of `reference`.

    An image file gives its voxels other than 0, a segmentation of 3D Slicer or DICOM all its segments. Another DICOM
    file or folder is taken for an RT structure set, of which `roi` names the region, else the tumour is found by name.
    Raises `UserError` for an image that is no mask and an empty mask; the structure set as in `roi_mask`.
    """
    path = Path(path)
    if path.is_dir() or (path.is_file() and known_suffix(path) is None):
        # pydicom takes 0.2 s to import and most masks come as image files.
        from LesionLensLib.images.dicom_seg import find_dicom_seg
        from LesionLensLib.images.rtstruct import find_roi, find_tumour_roi, read_structure_set, roi_mask

        segmentation = find_dicom_seg(path)
        if segmentation is not None:
            return _drawn_segments(segmentation, reference)
        structures = read_structure_set(path)
        return roi_mask(structures, find_roi(structures, roi) if roi else find_tumour_roi(structures), reference)
    image = _all_segments(path) if path.name.lower().endswith(SEGMENTATION_SUFFIX) else read_volume(path)
    fault = ""
    if image.array.dtype.kind == "f" and not np.array_equal(image.array, np.round(image.array)):
        fault = "its values are not whole numbers"
    elif image.array.min() < 0:
        fault = f"its values go down to {image.array.min():g}"
    if fault:
        raise UserError(
            f"{path.name} is no mask: {fault}.", "Give an image that marks the lesion with 1 and all else with 0."
        )
    binary = Volume((image.array != 0).astype(np.uint8), image.grid, image.header)
    if not binary.array.any():
        raise UserError(f"The mask {path.name} is empty.", "Give a mask that marks the lesion with 1.")
    return binary


def _all_segments(path: Path) -> Volume:
    """Read where any segment lies: overlapping ones lie in layers of their own, which no other image may have."""
    layers = read_labelmap(path).layers
    inside = np.any([layer.array != 0 for layer in layers], axis=0)
    return layers[0].with_array(inside.astype(np.uint8))


def _drawn_segments(path: Path, reference: Volume) -> Volume:
    """Read a DICOM segmentation of the frame of `reference`, with empty slices around those that are stored."""
    from LesionLensLib.images.dicom_seg import read_dicom_seg

    mask = read_dicom_seg(path)
    frame = reference.header.get("frame_hash", "")
    if frame and mask.header.get("frame_hash", frame) != frame:
        raise UserError(
            f"The segmentation {path.name} was drawn in another frame of reference than the image has.",
            "Give the image on which it was drawn, or one of the same examination.",
        )
    if not mask.array.any():
        raise UserError(f"The segmentation {path.name} is empty.", "Give one that marks the lesion.")
    i, j, k = mask.grid.size
    grid = mask.grid.cropped((0, 0, -ROOM_VOXELS), (i, j, k + 2 * ROOM_VOXELS))
    return Volume(np.pad(mask.array, ((ROOM_VOXELS, ROOM_VOXELS), (0, 0), (0, 0))), grid, mask.header)


def split_lesions(mask: Volume, min_volume_ml: float = 0.0) -> tuple[Volume, ...]:
    """Return one mask (uint8) for every connected lesion of at least `min_volume_ml`, the largest first.

    Each mask has as much empty room around its lesion as there is up to `ROOM_VOXELS`, not the whole image: a scan of
    the body would be copied for each. Lesions of equal size stand in the order of their first voxel in memory. An empty
    mask gives an empty tuple.
    """
    labels, kept = _labelled(mask, min_volume_ml)
    boxes = ndimage.find_objects(labels)
    return tuple(_alone(labels, number, boxes[number - 1], mask) for number in kept)


def count_lesions(mask: Volume, min_volume_ml: float = 0.0) -> int:
    """Return how many masks `split_lesions` would give."""
    return len(_labelled(mask, min_volume_ml)[1])


def number_lesions(mask: Volume) -> Volume:
    """Return the number of its lesion, as `split_lesions` counts them from 1, for every voxel (int32); 0 elsewhere."""
    labels, kept = _labelled(mask, 0.0)
    rank = np.zeros(len(kept) + 1, np.int32)
    rank[kept] = np.arange(1, len(kept) + 1)
    return mask.with_array(rank[labels])


def _labelled(mask: Volume, min_volume_ml: float) -> tuple[NDArray[np.int32], list[int]]:
    """Return the number of its lesion for every voxel, and the numbers of the lesions kept, the largest first."""
    labels, count = ndimage.label(mask.array != 0, structure=_NEIGHBOURS_26)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    order = [int(n) for n in np.argsort(-sizes, kind="stable") if n > 0]
    return labels, [n for n in order if sizes[n] * mask.grid.voxel_ml >= min_volume_ml * (1 - 1e-9)]


def _alone(labels: NDArray[np.int32], number: int, box: tuple[slice, ...], mask: Volume) -> Volume:
    size = labels.shape
    lower = [max(axis.start - ROOM_VOXELS, 0) for axis in box]
    upper = [min(axis.stop + ROOM_VOXELS, n) for axis, n in zip(box, size, strict=True)]
    part = tuple(slice(low, high) for low, high in zip(lower, upper, strict=True))
    grid = mask.grid.cropped(lower[::-1], [high - low for low, high in zip(lower, upper, strict=True)][::-1])
    return Volume((labels[part] == number).astype(np.uint8), grid, mask.header)
