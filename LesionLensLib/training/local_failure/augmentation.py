"""Make one lesion look as if the head lay otherwise, or another scanner had been used.

Works on z-scores of the brain. Everything is off by default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from LesionLensLib.training.outcome.moving import random_pose, sample_moved


@dataclass(frozen=True)
class LesionAugmentation:
    """How far a training case may be moved from the original.

    `flip_chance` is per axis, `turn_degrees` about each axis, `scale` the largest natural logarithm of the stretch,
    `shift_mm` moves the box as another outline or point would. `gain` is the largest natural logarithm of a factor on
    each channel, `offset` the largest shift and `noise` the largest deviation of noise, both in z-scores.
    """

    flip_chance: float = 0.0
    turn_degrees: float = 0.0
    scale: float = 0.0
    shift_mm: float = 0.0
    gain: float = 0.0
    offset: float = 0.0
    noise: float = 0.0

    def margin_mm(self, size_mm: Sequence[float]) -> float:
        """Return how far beyond a box of `size_mm` its sides may reach; its very corners may reach further, into 0."""
        if not (self.turn_degrees or self.scale or self.shift_mm):
            return 0.0
        half = max(size_mm) / 2
        turned = 2 * math.sin(math.radians(min(self.turn_degrees, 45.0)))
        return half * (turned + math.expm1(self.scale)) + self.shift_mm


def augment_lesion(
    images: Tensor,
    outline: Tensor,
    shape: tuple[int, int, int],
    spacing_mm: float,
    limits: LesionAugmentation,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Return a randomly changed box of `shape` (D, H, W) from the middle of a wider one.

    `images` (C, D', H', W') are z-scores, 0 outside the brain, which stays 0; `outline` (D', H', W') is 0 and 1.
    """
    pose = random_pose(np.full(3, limits.turn_degrees), limits.scale, limits.flip_chance, rng)
    shift = rng.uniform(-1, 1, 3) * limits.shift_mm / spacing_mm
    moved = sample_moved(torch.cat([images, outline[None]]), shape, pose, shift)
    values, lesion = moved[:-1], (moved[-1] >= 0.5).to(moved.dtype)
    if limits.gain or limits.offset or limits.noise:
        values = _as_another_scanner(values, limits, rng)
    return values, lesion


def _as_another_scanner(values: Tensor, limits: LesionAugmentation, rng: np.random.Generator) -> Tensor:
    channels = len(values)
    gain = torch.tensor(np.exp(rng.uniform(-limits.gain, limits.gain, channels)), dtype=values.dtype)
    offset = torch.tensor(rng.uniform(-limits.offset, limits.offset, channels), dtype=values.dtype)
    changed = values * gain.view(-1, 1, 1, 1) + offset.view(-1, 1, 1, 1)
    if limits.noise:
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        strength = float(rng.uniform(0, limits.noise))
        changed = changed + strength * torch.randn(values.shape, generator=generator)
    return torch.where(values != 0, changed, values)
