"""The quick estimate of lesion load: images and brain mask in, ml in total, left and right out.

A regression network sees a box of fixed size along the patient's own axes, centred on the brain, so that its middle is
the mid-sagittal plane (`hemispheres`). Training and inference share this file.

Its z-scores are not clipped, unlike those of the segmentation networks: a load below half a percent of the brain lies
within the brightest half percent, which clipping would make as bright as cortex. Of simulated patients the number of
bright voxels of a side then told its load with a correlation of 0.31, and of 0.42 without the clipping.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from torch import nn

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid, Matrix
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.bias_field import correct_bias
from LesionLensLib.inference.brain_lesion_input import NORMALIZATIONS, WITHOUT_BIAS_FIELD, open_scores
from LesionLensLib.inference.case import Case
from LesionLensLib.inference.field_of_view import sample_box
from LesionLensLib.inference.hemispheres import SideLoads, brain_centre_ras
from LesionLensLib.inference.network import load_model
from LesionLensLib.model_card import ModelCard

NO_TRANSFORMS: Mapping[str, sitk.Transform] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class LoadInput:
    """What the network gets: `images` (C, D, H, W) as z-scores of `brain` (D, H, W), both on `grid`."""

    images: NDArray[np.float32]
    brain: NDArray[np.bool_]
    grid: Grid

    @property
    def midline_r_mm(self) -> float:
        """Where the mid-sagittal plane lies: the middle of the box."""
        return float(self.grid.ras_from_ijk((np.array(self.grid.size) - 1) / 2)[0])


def load_grid(field: tuple[int, ...], spacing_mm: tuple[float, float, float], centre_ras_mm: Matrix) -> Grid:
    """Return the grid of a box of `field` (D, H, W) voxels along L, P and S around a point (RAS, mm)."""
    size = np.array(field[::-1])
    around = Grid((1, 1, 1), spacing_mm, (0.0, 0.0, 0.0))
    lower = around.ijk_from_ras(centre_ras_mm) - (size - 1) / 2
    return around.cropped(lower.tolist(), size.tolist())


def grid_of_card(card: ModelCard, brain: Volume) -> Grid:
    """Return the box of the card's network around a brain; raises `UserError` where the card describes none."""
    field = card.network.get("field")
    if card.regression is None or not isinstance(field, list) or len(field) != 3:
        raise UserError(f"{card.id} estimates no lesion load.", "Use a model of the task regression.")
    return load_grid(tuple(field), card.spacing_mm, brain_centre_ras(brain))


def prepare_load(
    volumes: Mapping[str, Volume],
    brain: Volume,
    card: ModelCard,
    transforms: Mapping[str, sitk.Transform] = NO_TRANSFORMS,
) -> LoadInput:
    """Return the channels of the card, each sampled once from the image itself, as its network gets them.

    `brain` is a mask on any grid in the space of the reference channel; `transforms` map points of that space to points
    of a channel. Raises `UserError` for an empty mask, a brain outside of the images, and an unknown normalisation.
    """
    if card.normalization not in NORMALIZATIONS:
        raise UserError(
            f"The model card of {card.id} names an unknown normalization: {card.normalization}.",
            f"Known for lesion loads: {', '.join(NORMALIZATIONS)}.",
        )
    grid = grid_of_card(card, brain)
    mask = resample(brain.with_array((brain.array != 0).astype(np.uint8)), grid, "nearest").array != 0
    without_bias = card.normalization == WITHOUT_BIAS_FIELD

    def prepare(role: str) -> NDArray[np.float32]:
        channel = sample_box(volumes[role], grid, 0.0, transforms.get(role)).array
        return open_scores(correct_bias(channel, mask, grid.spacing_mm[::-1]) if without_bias else channel, mask, role)

    # One thread a channel: ITK leaves Python free to run the next one meanwhile.
    with ThreadPoolExecutor(max_workers=len(card.roles)) as pool:
        return LoadInput(np.stack(list(pool.map(prepare, card.roles))), mask, grid)


def estimate_load(network: nn.Module, given: LoadInput, card: ModelCard) -> SideLoads:
    """Return what the network says of each side, never below 0; raises `UserError` where it tells no sides apart."""
    regression = card.regression
    if regression is None or regression.differences is None:
        raise UserError(f"{card.id} does not tell left from right.", "Use a model whose card names both outputs.")
    sides = (regression.differences.left, regression.differences.right)
    with torch.inference_mode():
        numbers = network(torch.from_numpy(given.images)[None])[0].double().tolist()
    left, right = (max(0.0, numbers[regression.index_of(side)]) for side in sides)
    return SideLoads(left, right)


def quick_load(case: Case, brain: Volume, card: ModelCard) -> SideLoads:
    """Return the quick estimate for a case of any model whose channels include those of `card`.

    `brain` is the mask that the segmentation used, on any grid. Raises `UserError` where a channel is missing, and as
    `load_model` and `prepare_load` do.
    """
    missing = [role for role in card.roles if role not in case.volumes]
    if missing:
        raise UserError(f"{card.id} also needs {' and '.join(missing)}.", "Give these images too.")
    given = prepare_load(case.volumes, brain, card, case.transforms)
    return estimate_load(load_model(card).network, given, card)
