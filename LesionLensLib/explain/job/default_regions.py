"""The regions that a map is summed up in where none are given: hemispheres of a brain, shells around a lesion."""

from __future__ import annotations

import numpy as np

from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.shells import lesion_shells
from LesionLensLib.images.labelmap import Labelmap, Region
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.hemispheres import side_of

HEMISPHERES = ("left hemisphere", "right hemisphere")


def default_regions(begun: Begun) -> Labelmap | None:
    """Return the regions on the reference grid, None where neither a lesion nor a brain with its middle is known.

    Shells lie within the brain where it is known. Beside hemispheres, which they overlap, they have a layer of their
    own, and numbers that follow.
    """
    brain = None if begun.brain is None else on_reference(begun.brain, begun)
    shells = None if begun.lesion is None else lesion_shells(on_reference(begun.lesion, begun), brain)
    if brain is None or begun.midline_r_mm is None:
        return shells
    halves = hemispheres(brain, begun.midline_r_mm)
    return halves if shells is None else _together(halves, shells)


def hemispheres(brain: Volume, midline_r_mm: float) -> Labelmap:
    """Return the patient's left (1) and right (2) half of a brain mask on its grid, which may lie in any direction.

    A voxel whose centre lies on the plane at R = `midline_r_mm` belongs to the left.
    """
    left = side_of(brain.grid, midline_r_mm) >= 0.5
    labels = np.where(left, 1, 2).astype(np.uint8) * (brain.array != 0)
    regions = tuple(Region(value, name) for value, name in enumerate(HEMISPHERES, start=1))
    return Labelmap((brain.with_array(labels.astype(np.uint8)),), regions)


def on_reference(mask: Volume, begun: Begun) -> Volume:
    """Return a mask as 0 and 1 on the reference grid."""
    return resample(mask.with_array((mask.array != 0).astype(np.uint8)), begun.reference.grid, "nearest")


def _together(first: Labelmap, second: Labelmap) -> Labelmap:
    """Return the regions of both, each in its own layer; the values of the second follow those of the first."""
    last = max(region.value for region in first.regions)
    (layer,) = second.layers
    moved = layer.with_array(np.where(layer.array != 0, layer.array + last, 0).astype(np.uint8))
    regions = tuple(Region(region.value + last, region.name, len(first.layers)) for region in second.regions)
    return Labelmap((*first.layers, moved), (*first.regions, *regions))
