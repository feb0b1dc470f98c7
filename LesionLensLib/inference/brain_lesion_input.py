"""What an outcome network gets of a brain with lesions: z-scores of the whole brain in a box around each lesion.

Training and prediction share it. Every channel is sampled once, by its matrix, onto a grid of the network's spacing
along the axes of the reference image; the boxes are cut out of that grid (Jalalifar et al., IEEE JTEHM 2022, name
neither box nor normalisation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid, Matrix
from LesionLensLib.images.lesion_mask import split_lesions
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.bias_field import correct_bias
from LesionLensLib.inference.field_of_view import FieldOfView, centroid_ras, sample_box
from LesionLensLib.inference.normalize import CLIP_PERCENTILES
from LesionLensLib.outcome.case_description import CaseDescription, describe_case

ScalarT = TypeVar("ScalarT", bound=np.generic)
PLAIN = "brain-scores"
WITHOUT_BIAS_FIELD = "n4-brain-scores"
NORMALIZATIONS = (PLAIN, WITHOUT_BIAS_FIELD)
"""By the name in a model card: z-scores of the brain that are not clipped, and the same without the coils' shading."""


_MULTIPLE = 16
_TIE = 1e-4
"""In mm, and as a share of a voxel: larger than what is lost in rounding."""


@dataclass(frozen=True, eq=False)
class BrainScores:
    """The channels (C, D, H, W) of `roles` as z-scores of the brain, 0 outside `brain` (D, H, W), on `grid`."""

    roles: tuple[str, ...]
    images: NDArray[np.float32]
    brain: NDArray[np.bool_]
    grid: Grid


@dataclass(frozen=True, eq=False)
class LesionBox:
    """One lesion: `images` (C, D, H, W) as z-scores, `brain` and `lesion` (D, H, W; 0 and 1) on `grid`.

    `lesion` is None where only a point was given. `center_ras` (mm) is the lesion's centroid or that point; `volume_ml`
    is counted on the mask's own voxels.
    """

    roles: tuple[str, ...]
    images: NDArray[np.float32]
    brain: NDArray[np.bool_]
    lesion: NDArray[np.uint8] | None
    grid: Grid
    center_ras: Matrix
    volume_ml: float | None


def lesion_view(field_mm: tuple[float, float, float], spacing_mm: float) -> FieldOfView:
    """Return the box of a brain network, its sides multiples of 16 voxels: the grid is halved four or five times."""
    return FieldOfView(field_mm, spacing_mm, _MULTIPLE)


def score_brain(
    volumes: Mapping[str, Volume],
    roles: Sequence[str],
    reference_role: str,
    brain: Volume,
    spacing_mm: float,
    normalization: str,
    transforms: Mapping[str, sitk.Transform] = MappingProxyType({}),
) -> BrainScores:
    """Normalise before cropping: within a box, a large lesion would set its own scale.

    `brain` is a mask on any grid in the space of the reference channel; `transforms` map points of that space to points
    of a channel. Raises `UserError` for a normalisation that is not known.
    """
    grid = volumes[reference_role].grid.closest_to_lps().with_spacing((spacing_mm,) * 3)
    drawn = brain.with_array((brain.array != 0).astype(np.uint8))
    mask = resample(drawn, _off_ties(grid), "nearest").array != 0
    if normalization not in NORMALIZATIONS:
        raise UserError(
            f"There is no normalisation {normalization} of brain lesions.", f"Use one of: {', '.join(NORMALIZATIONS)}."
        )

    def score(role: str) -> NDArray[np.float32]:
        channel = sample_box(volumes[role], grid, 0.0, transforms.get(role)).array
        if normalization == WITHOUT_BIAS_FIELD:
            channel = correct_bias(channel, mask, grid.spacing_mm[::-1])
        return open_scores(channel, mask, role)

    # One thread a channel: ITK leaves Python free to run the next one meanwhile.
    with ThreadPoolExecutor(max_workers=len(roles)) as pool:
        return BrainScores(tuple(roles), np.stack(list(pool.map(score, roles))), mask, grid)


def open_scores(channel: NDArray[np.float32], mask: NDArray[np.bool_], role: str) -> NDArray[np.float32]:
    """Return z-scores (D, H, W) by the mean and deviation of the clipped values of the brain; 0 outside of it.

    What is brighter than nearly all of the brain is clipped for the scale alone: it may be the lesion, whose brightness
    and unevenness are looked at. Raises `UserError` for an empty mask and an image with one value in all of the brain.
    """
    values = channel[mask].astype(np.float64)
    if not values.size:
        raise UserError("The brain mask is empty.", "Give a mask that marks the brain with 1 and all else with 0.")
    usual = np.clip(values, *np.percentile(values, CLIP_PERCENTILES))
    deviation = float(usual.std())
    if not deviation > 1e-8 * max(1.0, float(np.abs(usual).max())):
        raise UserError(
            f"{role} has the same value everywhere inside the brain.",
            "Check that the image is the right one and that the brain mask lies on it.",
        )
    scores = np.zeros(mask.shape, np.float32)
    scores[mask] = (values - usual.mean()) / deviation
    return scores


def lesion_boxes(
    scores: BrainScores, mask: Volume, view: FieldOfView, margin: int = 0, min_volume_ml: float = 0.0
) -> tuple[LesionBox, ...]:
    """Return a box for every connected lesion of `mask`, the largest first; each shows its own lesion's outline only.

    A box is wider by `margin` voxels on every side. Raises `UserError` where the mask has no lesion of that volume, and
    as `lesion_box`.
    """
    lesions = split_lesions(mask, min_volume_ml)
    if not lesions:
        raise UserError("The lesion mask is empty.", "Give a mask that marks the lesion.")
    return tuple(lesion_box(scores, view, lesion, margin=margin) for lesion in lesions)


def lesion_box(
    scores: BrainScores,
    view: FieldOfView,
    lesion: Volume | None = None,
    center_ras: ArrayLike | None = None,
    margin: int = 0,
) -> LesionBox:
    """Return the box around one lesion, given as a mask on any grid or as a point (RAS, mm).

    What lies beyond the image is 0. Raises `UserError` where the box shows nothing of the brain, and `ValueError` for a
    view of another spacing than that of `scores`, or neither mask nor point.
    """
    if lesion is None and center_ras is None:
        raise ValueError("a box needs a lesion or a point")
    if not np.allclose(scores.grid.spacing_mm, view.spacing_mm):
        raise ValueError("the view has another spacing than the scores")
    center = np.asarray(center_ras, np.float64) if lesion is None else centroid_ras(lesion)
    size = np.array(view.size) + 2 * margin
    lower = np.rint(scores.grid.ijk_from_ras(center) - (size - 1) / 2).astype(int)
    grid = scores.grid.cropped(lower.tolist(), size.tolist())
    inside = _cut(scores.brain, lower, size)
    if not inside.any():
        raise UserError(
            "There is no brain where the lesion is marked.", "Give lesion and brain on images of one examination."
        )
    images = np.stack([_cut(image, lower, size) for image in scores.images])
    outline = None if lesion is None else _outline(lesion, grid)
    volume_ml = None if lesion is None else float(np.count_nonzero(lesion.array)) * lesion.grid.voxel_ml
    return LesionBox(scores.roles, images, inside, outline, grid, center, volume_ml)


def network_input(images: NDArray[np.float32], lesion: NDArray[np.uint8] | None) -> NDArray[np.float32]:
    """Return channels (C, D, H, W) and the lesion's outline as one more, all 0 where it is not known."""
    outline = np.zeros(images.shape[1:], np.float32) if lesion is None else lesion.astype(np.float32)
    return np.concatenate([images, outline[None]])


def describe_lesion(box: LesionBox, features: ArrayLike | None = None) -> CaseDescription:
    """Describe a box (without margin) for comparison with the training cases: its z-scores within the brain."""
    lesion = None if box.lesion is None else box.lesion * box.brain
    images = dict(zip(box.roles, box.images, strict=True))
    found = describe_case(images, box.grid.voxel_ml, lesion, box.brain, features)
    return CaseDescription(found.intensities, box.volume_ml, found.features)


def _outline(lesion: Volume, grid: Grid) -> NDArray[np.uint8]:
    """Return the voxels (D, H, W) of `grid` that are lesion by half; of a smaller lesion the voxel with most of it."""
    share = sample_box(lesion.with_array((lesion.array != 0).astype(np.float32)), grid, 0.0).array
    most = float(share.max())
    if most <= 0:
        raise UserError("The lesion is too small to be seen.", "Mark a lesion of at least one millimetre.")
    return (share >= min(0.5, most) - _TIE).astype(np.uint8)


def _off_ties(grid: Grid) -> Grid:
    """Return `grid` moved by less than any voxel: a point midway between two voxels has one that is the nearest.

    Without it the last digit decides, and Slicer, which stores a left-handed image the other way round, had another
    brain than the command line.
    """
    right, back, up = grid.origin_lps
    return replace(grid, origin_lps=(right + _TIE, back + _TIE, up + _TIE))


def _cut(array: NDArray[ScalarT], lower: NDArray[np.int_], size: NDArray[np.int_]) -> NDArray[ScalarT]:
    """Return the part of (k, j, i) that starts at voxel `lower` (i, j, k) and has `size` voxels; 0 beyond it."""
    out = np.zeros(size[::-1], array.dtype)
    start, stop = np.clip(lower, 0, array.shape[::-1]), np.clip(lower + size, 0, array.shape[::-1])
    taken = tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1], strict=True))
    placed = tuple(slice(int(a), int(b)) for a, b in zip((start - lower)[::-1], (stop - lower)[::-1], strict=True))
    out[placed] = array[taken]
    return out
