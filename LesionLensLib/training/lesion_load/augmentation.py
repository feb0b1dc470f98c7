"""Make a head look as if it lay otherwise or came from another scanner; the loads are measured afterwards.

Works on whole boxes in scanner units, 0 outside the brain; normalisation follows, as at inference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from LesionLensLib.training.outcome.moving import random_pose, sample_moved
from LesionLensLib.training.torch_filters import gaussian_blur, neighbourhood_max, smooth_field


@dataclass(frozen=True)
class LoadAugmentation:
    """How far an example may be moved from the original; everything is off by default.

    `flip_chance` mirrors left and right. `turn_degrees` is about each axis, `scale` the largest natural logarithm of
    the stretch along each, `shift_mm` how far the middle of the box may lie beside the brain's, as it does where the
    mask of the brain is worse. `slip_mm` moves each channel but the last against it. Of the channels, each for itself:
    `gamma` is the largest natural logarithm of the power to which brightness is raised, `shading` the deviation of the
    logarithm of a smooth field, `noise` the largest deviation of noise as a share of the brain's 99th percentile,
    `blur` the largest deviation in voxels of a blur that happens with `blur_chance`. `outline_chance` is that of a
    brain mask a voxel too large or too small. After normalisation, `gain` is the largest natural logarithm of a factor
    and `offset` the largest shift of the z-scores.
    """

    flip_chance: float = 0.0
    turn_degrees: float = 0.0
    scale: float = 0.0
    shift_mm: float = 0.0
    slip_mm: float = 0.0
    gamma: float = 0.0
    shading: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    blur_chance: float = 0.3
    outline_chance: float = 0.0
    gain: float = 0.0
    offset: float = 0.0


def move(
    images: Tensor, masks: Tensor, spacing_mm: float, limits: LoadAugmentation, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return `images` (C, D, H, W) and `masks` (M, D, H, W; shares of a voxel) turned, stretched, shifted, mirrored.

    A stretched head has stretched lesions, whose share maps keep their sum times the change of volume.
    """
    pose = random_pose(np.full(3, limits.turn_degrees), limits.scale, 0.0, rng)
    pose[:, 0] *= -1.0 if rng.random() < limits.flip_chance else 1.0
    shift = rng.uniform(-1, 1, 3) * limits.shift_mm / spacing_mm
    slips = rng.uniform(-1, 1, (len(images) - 1, 3)) * limits.slip_mm / spacing_mm
    shape = (images.shape[1], images.shape[2], images.shape[3])
    together = sample_moved(torch.cat([images, masks]), shape, pose, shift)
    moved = together[: len(images)]
    if limits.slip_mm:
        slipped = [sample_moved(i[None], shape, pose, shift + s) for i, s in zip(images[:-1], slips, strict=True)]
        moved = torch.cat([*slipped, moved[-1:]])
    return moved, together[len(images) :]


def as_another_scanner(image: Tensor, inside: Tensor, limits: LoadAugmentation, rng: np.random.Generator) -> Tensor:
    """Return one channel (D, H, W) with changed contrast, shading, sharpness and noise; 0 stays outside `inside`."""
    top = torch.quantile(image[inside][::7], 0.99).clamp(min=1e-6)
    unit = (image / top).clamp(min=0)
    if limits.blur and rng.random() < limits.blur_chance:
        unit = gaussian_blur(unit, float(rng.uniform(0.2, max(limits.blur, 0.21))))
    unit = unit ** float(np.exp(rng.uniform(-limits.gamma, limits.gamma)))
    unit = unit * torch.exp(smooth_field(tuple(image.shape), (4, 4, 4), rng.uniform(0, limits.shading), rng))
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    unit = unit + float(rng.uniform(0, limits.noise)) * torch.randn(image.shape, generator=generator)
    # Normalisation takes any unit; a thousand keeps the numbers those of a scanner.
    return torch.where(inside, (unit.clamp(min=0) + 1e-3) * 1000, 0.0)


def change_outline(inside: Tensor, limits: LoadAugmentation, rng: np.random.Generator) -> Tensor:
    """Return the brain mask (D, H, W; bool) as it is, or a voxel larger or smaller all around."""
    if rng.random() >= limits.outline_chance:
        return inside
    mask = inside.float()
    grown = neighbourhood_max(mask, 3) if rng.random() < 0.5 else 1 - neighbourhood_max(1 - mask, 3)
    return grown > 0.5


def change_scores(scores: Tensor, inside: Tensor, limits: LoadAugmentation, rng: np.random.Generator) -> Tensor:
    """Return z-scores (C, D, H, W) with a gain and an offset for each channel; 0 stays outside `inside`."""
    count = len(scores)
    gain = torch.tensor(np.exp(rng.uniform(-limits.gain, limits.gain, count)), dtype=torch.float32)
    offset = torch.tensor(rng.uniform(-limits.offset, limits.offset, count), dtype=torch.float32)
    return (scores * gain.view(-1, 1, 1, 1) + offset.view(-1, 1, 1, 1)) * inside
