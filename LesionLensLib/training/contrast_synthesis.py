"""Paint T1, T2 and FLAIR onto a tissue map with random levels, so that no level of grey can mean "lesion".

The idea is that of SynthSeg (Billot et al., Medical Image Analysis 86, 2023): a network that has seen every contrast
between tissues reads shape and neighbourhood instead. What defines the three sequences is kept: fluid is dark on T1 and
FLAIR and bright on T2, lesions are brighter than the white matter around them on T2 and FLAIR, and not brighter on T1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from LesionLensLib.training.brain import BoolArray
from LesionLensLib.training.torch_filters import gaussian_blur, neighbourhood_max, patches, smooth_field, stretch

NOISE_SIDE = 96
NOISE_SIGMAS_MM = (0.5, 0.8, 1.2)
SPOT_MM = 4
TOUCHING_26 = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class SynthesisRange:
    """Between which limits a painted brain is drawn; every pair is (low, high) of a uniform distribution.

    White matter is 1 in each channel and fluid about 0 on T1 and FLAIR; on T2 fluid is about 2. Grey matter and fields
    are stated on that scale. `lesion_t1` is added to white matter; `lesion_t2` and `lesion_flair` are added to white or
    grey matter, whichever is brighter, because a lesion hardly ever is darker than the cortex there. `grey_field`
    and `fluid_field` change grey matter and fluid from place to place over some centimetres, as flow does on FLAIR.
    `grey_patch` brightens whole regions of cortex on FLAIR, and less on T2, as limbic cortex is brighter than other
    cortex; `wall` brightens white matter along fluid on FLAIR, as the walls of the ventricles
    are. Of a share `light_chance` of brains, `light_share` of the lesions are painted and the others left away.
    """

    chance: float = 0.6
    grey_t1: tuple[float, float] = (0.35, 1.0)
    grey_t2: tuple[float, float] = (1.0, 1.45)
    grey_flair: tuple[float, float] = (0.92, 1.4)
    fluid: tuple[float, float] = (0.0, 0.35)
    grey_field: tuple[float, float] = (0.0, 0.14)
    white_field: tuple[float, float] = (0.0, 0.06)
    fluid_field: tuple[float, float] = (0.0, 0.3)
    texture: tuple[float, float] = (0.01, 0.07)
    lesion_t1: tuple[float, float] = (-0.6, 0.0)
    lesion_t2: tuple[float, float] = (0.0, 0.6)
    lesion_flair: tuple[float, float] = (0.12, 0.8)
    lesion_spread: float = 0.3
    edge_mm: tuple[float, float] = (0.35, 0.8)
    spots: tuple[int, int] = (0, 12)
    grey_patch: tuple[float, float] = (0.0, 0.0)
    wall: tuple[float, float] = (0.0, 0.0)
    light_chance: float = 0.0
    light_share: tuple[float, float] = (0.0, 0.25)


def paint(shares: Tensor, lesion: Tensor, limits: SynthesisRange, rng: np.random.Generator) -> Tensor:
    """Return T1, T2 and FLAIR (3, D, H, W) of a brain with the tissue `shares` and a `lesion` mask (D, H, W).

    `shares` (3, D, H, W) holds how much of each voxel is fluid, grey and white matter; where it is 0 throughout,
    outside the brain, the images are 0.
    """
    greys = [rng.uniform(*r) for r in (limits.grey_t1, limits.grey_t2, limits.grey_flair)]
    fluids = [rng.uniform(*limits.fluid), 2 - 0.5 * rng.uniform(*limits.fluid), rng.uniform(*limits.fluid)]
    inside = shares.sum(dim=0) > 0
    shape = tuple(inside.shape)
    alpha, strength = _lesion_fields(lesion, limits, rng)
    deltas = [rng.uniform(*r) for r in (limits.lesion_t1, limits.lesion_t2, limits.lesion_flair)]
    bases = [1.0, max(greys[1], 1.0), max(greys[2], 1.0)]
    bright = _normal_brightness(shares, limits, rng)
    images = []
    for grey, fluid, base, delta, extra in zip(greys, fluids, bases, deltas, bright, strict=True):
        levels = [(fluid, limits.fluid_field), (grey, limits.grey_field), (1.0, limits.white_field)]
        tissue = [level + smooth_field(shape, (7, 8, 7), rng.uniform(*field), rng) for level, field in levels]
        image = extra + sum(share * part for share, part in zip(shares, tissue, strict=True))
        image = image + alpha * (tissue[2] + base - 1 + delta * strength - image)
        images.append(image + _texture(shape, limits, rng))
    # The choroid plexus shines inside the ventricles as flow does on cortex.
    images[2] = images[2] + _spots((shares[1] + shares[0]).clamp(max=1) * (1 - alpha), limits, rng)
    return torch.where(inside, torch.stack(images).clamp(min=0.02), 0.0)


def thin_out(lesion: BoolArray, limits: SynthesisRange, rng: np.random.Generator) -> BoolArray:
    """Return `lesion` (D, H, W) as it is or, in some brains, with only a few of its lesions: light disease, or none."""
    if rng.random() >= limits.light_chance:
        return lesion
    labels, count = ndimage.label(lesion, TOUCHING_26)
    keep = rng.random(count + 1) < rng.uniform(*limits.light_share)
    keep[0] = False
    kept: BoolArray = keep[labels]
    return kept


def _normal_brightness(shares: Tensor, limits: SynthesisRange, rng: np.random.Generator) -> Tensor:
    """Return what healthy tissue adds to T1, T2 and FLAIR (3, D, H, W): bright cortex and bright ventricle walls."""
    shape = tuple(shares.shape[1:])
    cortex = rng.uniform(*limits.grey_patch) * shares[1] * patches(shape, rng)
    beside_fluid = gaussian_blur(shares[0], rng.uniform(0.8, 1.6)) * shares[2]
    wall = 2 * rng.uniform(*limits.wall) * beside_fluid * patches(shape, rng)
    return torch.stack([-rng.uniform(0, 0.3) * cortex, rng.uniform(0, 0.7) * cortex, cortex + wall])


def _lesion_fields(lesion: Tensor, limits: SynthesisRange, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return how much lesion is in each voxel, soft at the edge, and how strong the lesion nearest to it is."""
    soft = gaussian_blur(lesion, rng.uniform(*limits.edge_mm))
    peak = neighbourhood_max(soft, 3)
    # Partial volume must not let a lesion of a few voxels fade away: it stays labelled.
    alpha = (soft / peak.clamp(min=1e-3) ** 0.7).clamp(max=1) * (peak > 0.02)
    labels, count = ndimage.label(lesion.numpy() > 0, TOUCHING_26)
    table = rng.uniform(1 - limits.lesion_spread, 1 + limits.lesion_spread, count + 1)
    table[0] = 0.0
    strength = torch.from_numpy(table.astype(np.float32))[torch.from_numpy(labels.astype(np.int64))]
    near = neighbourhood_max(strength, 5)
    uneven = 1 + 0.12 * _noise(tuple(lesion.shape), rng)
    return alpha, torch.where(strength > 0, strength, near) * uneven


def _texture(shape: tuple[int, ...], limits: SynthesisRange, rng: np.random.Generator) -> Tensor:
    return rng.uniform(*limits.texture) * _noise(shape, rng)


@cache
def _noise_block(sigma_mm: float) -> Tensor:
    """Return a cube of smooth noise of unit variance; making it anew each time took longer than all else here."""
    generator = torch.Generator().manual_seed(round(100 * sigma_mm))
    smooth = gaussian_blur(torch.randn((NOISE_SIDE,) * 3, generator=generator), sigma_mm)
    return smooth / smooth.std()


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    """Return smooth noise of unit variance (D, H, W): a random place of a random block, turned and mirrored."""
    block = _noise_block(float(rng.choice(NOISE_SIGMAS_MM))).permute(*rng.permutation(3).tolist())
    block = block.roll(tuple(int(n) for n in rng.integers(0, NOISE_SIDE, 3)), (0, 1, 2))
    repeats = [-(-n // NOISE_SIDE) for n in shape]
    return block.repeat(*repeats)[tuple(slice(n) for n in shape)] * float(rng.choice([-1.0, 1.0]))


def _spots(grey: Tensor, limits: SynthesisRange, rng: np.random.Generator) -> Tensor:
    """Return bright unlabelled boxes of cortex and fluid (D, H, W): flow, motion and choroid plexus on FLAIR alone."""
    shape = tuple(grey.shape)
    coarse = torch.zeros([n // SPOT_MM for n in shape])
    for _ in range(int(rng.integers(*limits.spots, endpoint=True))):
        lower = [int(rng.integers(n)) for n in coarse.shape]
        box = tuple(slice(a, a + int(rng.integers(1, 5))) for a in lower)
        coarse[box] += rng.uniform(0.1, 0.5)
    return stretch(coarse, shape) * grey
