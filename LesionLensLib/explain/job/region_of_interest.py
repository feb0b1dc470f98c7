"""Where an occlusion looks: where the user says, else where the answer can come from."""

from __future__ import annotations

import numpy as np

from LesionLensLib.errors import UserError
from LesionLensLib.explain.distance import signed_distance_mm
from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.occlusion.cubes import Mask
from LesionLensLib.images.labelmap import read_labelmap
from LesionLensLib.images.resample import resample

# A pass over a whole brain takes more than a second: no cubes far from the lesion, where none are asked for.
REACH_MM = 20.0


def region_of_interest(begun: Begun) -> Mask | None:
    """Return the voxels (D, H, W) of the question's grid that cubes must touch, None for all of them.

    Without one of the job's own that is what is not 0 of the image where that is known, and for networks that take
    seconds a pass the surroundings of the lesion. Raises `UserError` for a region outside of what the network sees.
    """
    if begun.job.within is not None:
        return _of_file(begun, begun.job.within)
    return begun.within if begun.fast is None else _around_the_lesion(begun)


def _of_file(begun: Begun, path: str) -> Mask:
    """Return where any region of the label map lies, whichever of its layers it is in."""
    layers = read_labelmap(path).layers
    inside: Mask = np.any([resample(layer, begun.question.grid, "nearest").array != 0 for layer in layers], axis=0)
    if not inside.any():
        raise UserError(
            "The region of interest lies outside of the part of the images that the network sees.",
            "Give a region near the lesion, drawn on these images.",
        )
    return inside


def _around_the_lesion(begun: Begun) -> Mask | None:
    if begun.lesion is None:
        return None
    inside = resample(begun.lesion, begun.question.grid, "nearest").array != 0
    near: Mask = signed_distance_mm(inside, begun.question.grid, REACH_MM) <= REACH_MM
    return near
