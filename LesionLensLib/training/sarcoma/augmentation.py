"""Make one PET-CT case look as if the patient lay otherwise, the box sat otherwise, or another scanner had been used.

Works in SUV and HU; normalisation follows, as at prediction. Everything is off by default: the paper names none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from LesionLensLib.inference.pet_ct_input import FILLS
from LesionLensLib.training.outcome.moving import random_pose, sample_moved
from LesionLensLib.training.torch_filters import gaussian_blur, smooth_field


@dataclass(frozen=True)
class OutcomeAugmentation:
    """How far a training case may be moved from the original.

    `flip_chance` is per axis, `tilt_degrees` about the axes across the limb, `spin_degrees` about the limb's own.
    `shift_mm` moves the box, as a user's point or another contour would. `suv_scale` is the largest natural logarithm
    of the factor on all uptake (dose, weight and time are never exact), `hu_shift` in HU. Noise is a standard
    deviation: `suv_noise` as a share of the uptake's square root, `hu_noise` in HU. `blur_mm` is the widest Gaussian.
    """

    flip_chance: float = 0.0
    tilt_degrees: float = 0.0
    spin_degrees: float = 0.0
    scale: float = 0.0
    shift_mm: float = 0.0
    elastic_mm: float = 0.0
    suv_scale: float = 0.0
    hu_shift: float = 0.0
    suv_noise: float = 0.0
    hu_noise: float = 0.0
    blur_chance: float = 0.0
    blur_mm: float = 0.0

    def margin_mm(self, size_mm: Sequence[float]) -> float:
        """Return how far beyond a box of `size_mm` its corners and bends may reach; 0 where nothing moves."""
        turned = self.tilt_degrees or self.spin_degrees
        half = float(np.linalg.norm(size_mm)) / 2 - min(size_mm) / 2 if turned else 0.0
        return min(half, 24.0) + self.shift_mm + 2 * self.elastic_mm + self.scale * max(size_mm) / 2


def augment_case(
    images: Tensor,
    tumour: Tensor,
    roles: Sequence[str],
    shape: tuple[int, int, int],
    spacing_mm: float,
    limits: OutcomeAugmentation,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Return a randomly changed box of `shape` (D, H, W) from the middle of a wider one: images and tumour share.

    `images` is (C, D', H', W') in SUV and HU, `tumour` (D', H', W') from 0 to 1.
    """
    degrees = np.array([limits.tilt_degrees, limits.tilt_degrees, limits.spin_degrees])
    pose = random_pose(degrees, limits.scale, limits.flip_chance, rng)
    shift = rng.uniform(-1, 1, 3) * limits.shift_mm / spacing_mm
    bend = _random_bend(shape, limits.elastic_mm / spacing_mm, rng) if limits.elastic_mm else None
    fills = torch.tensor([FILLS[role] for role in (*roles, "lesion")]).view(-1, 1, 1, 1)
    moved = sample_moved(torch.cat([images, tumour[None]]) - fills, shape, pose, shift, bend) + fills
    changed = [_change(image, role, spacing_mm, limits, rng) for image, role in zip(moved[:-1], roles, strict=True)]
    return torch.stack(changed), moved[-1]


def _random_bend(shape: tuple[int, int, int], reach: float, rng: np.random.Generator) -> Tensor:
    """Return a smooth displacement (1, D, H, W, 3) in voxels, order (W, H, D)."""
    return torch.stack([smooth_field(shape, (4, 4, 4), reach, rng) for _ in range(3)], dim=-1)[None]


def _change(
    image: Tensor, role: str, spacing_mm: float, limits: OutcomeAugmentation, rng: np.random.Generator
) -> Tensor:
    """Change the values of one channel (D, H, W) as another scanner or protocol would; a mask stays as it is."""
    if role not in ("PET", "CT"):
        return (image >= 0.5).to(image.dtype)
    if rng.random() < limits.blur_chance and limits.blur_mm > 0:
        fill = FILLS[role]
        image = gaussian_blur(image - fill, float(rng.uniform(0.2, 1.0)) * limits.blur_mm / spacing_mm) + fill
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    factor, offset = np.exp(rng.uniform(-1, 1) * limits.suv_scale), rng.uniform(-1, 1) * limits.hu_shift
    if role == "CT":
        noise = limits.hu_noise * torch.randn(image.shape, generator=generator) if limits.hu_noise else 0.0
        return image + offset + noise
    image = image * float(factor)
    if limits.suv_noise:
        image = image + limits.suv_noise * image.clamp(min=0).sqrt() * torch.randn(image.shape, generator=generator)
    return image.clamp(min=0)
