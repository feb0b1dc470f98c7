"""Domain randomisation: make one brain look as if other scanners, protocols and heads had produced it.

Works on whole volumes as torch tensors, because normalisation looks at the whole brain; crops are cut afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from LesionLensLib.geometry import Matrix
from LesionLensLib.inference.normalize import CLIP_PERCENTILES


@dataclass(frozen=True)
class AugmentationRange:
    """How far a training image may be moved from the original; chances are per volume, sizes in mm of 1 mm voxels."""

    rotation_degrees: float = 15.0
    scale: float = 0.15
    flip_chance: float = 0.5
    thick_slice_chance: float = 0.4
    thickest_mm: float = 4.0
    misalignment_chance: float = 0.3
    misalignment_mm: float = 1.0
    blur_chance: float = 0.4
    blur_mm: float = 0.9
    bias_strength: float = 0.25
    gamma: float = 0.3
    noise_chance: float = 0.6
    noise: float = 0.035
    mask_chance: float = 0.4
    grey_chance: float = 0.7
    grey_t1: tuple[float, float] = (-0.25, 0.05)
    grey_t2: tuple[float, float] = (-0.05, 0.1)
    grey_flair: tuple[float, float] = (-0.1, 0.2)
    score_scale: float = 0.25
    score_shift: float = 0.5


@dataclass(frozen=True)
class TrainingVolume:
    """A whole volume on its way into training: images (C, D, H, W), and masks (D, H, W) as float 0 or 1.

    `grey` is the share of grey matter in each voxel, 0 where it is not known.
    """

    images: Tensor
    brain: Tensor
    lesion: Tensor
    ignored: Tensor
    grey: Tensor


def augment(volume: TrainingVolume, limits: AugmentationRange, rng: np.random.Generator) -> TrainingVolume:
    """Return a randomly changed copy: pose, resolution, alignment, shading, contrast, noise, brain outline.

    Images stay in scanner units and are normalised afterwards, exactly as at inference.
    """
    moved = _change_pose(_change_grey_matter(volume, limits, rng), limits, rng)
    images = torch.stack([_change_channel(image, limits, rng) for image in moved.images])
    if rng.random() < limits.thick_slice_chance:
        images = _thick_slices(images, limits, rng)
    brain = _change_outline(moved.brain, limits, rng)
    return TrainingVolume(images, brain, moved.lesion, moved.ignored, moved.grey)


def jitter_scores(images: Tensor, brain: Tensor, limits: AugmentationRange, rng: np.random.Generator) -> Tensor:
    """Scale and shift the z-scores of each channel (C, D, H, W) inside the brain (D, H, W), each by its own factor.

    Mean and deviation of a brain depend on how much fluid and how many lesions it has, and the few brains of a training
    set have only a few such mixtures: a network must not learn one level of grey as "lesion".
    """
    scale = torch.tensor(np.exp(rng.uniform(-limits.score_scale, limits.score_scale, len(images))), dtype=torch.float32)
    shift = torch.tensor(rng.uniform(-limits.score_shift, limits.score_shift, len(images)), dtype=torch.float32)
    return (images * scale.view(-1, 1, 1, 1) + shift.view(-1, 1, 1, 1)) * (brain > 0)


def _change_grey_matter(volume: TrainingVolume, limits: AugmentationRange, rng: np.random.Generator) -> TrainingVolume:
    """Move the level of grey matter against white matter, each channel by a share of its range.

    Sequences differ most in this: gradient-echo T1 shows the cortex much darker than white matter, spin-echo T1 hardly;
    FLAIR shows it from equal to clearly brighter. A cortex dark on T1 and bright on FLAIR must not pass for a lesion.
    """
    if rng.random() >= limits.grey_chance:
        return volume
    inside = volume.images[:, volume.brain > 0][:, ::23]
    reach = torch.quantile(inside, 0.98, dim=1) - torch.quantile(inside, 0.02, dim=1)
    moves = [rng.uniform(*r) for r in (limits.grey_t1, limits.grey_t2, limits.grey_flair)]
    offset = (reach * torch.tensor(moves, dtype=torch.float32)).view(-1, 1, 1, 1) * volume.grey
    changed = torch.where(volume.images > 0, (volume.images + offset).clamp(min=1e-3), volume.images)
    return replace(volume, images=changed)


def _change_pose(volume: TrainingVolume, limits: AugmentationRange, rng: np.random.Generator) -> TrainingVolume:
    """Turn, scale and mirror everything together; channels may also slip a little against each other."""
    shape = tuple(volume.brain.shape)
    pose = _random_pose(limits, rng)
    slip = [np.zeros(3)] * 3
    if rng.random() < limits.misalignment_chance:
        slip = [rng.normal(0, limits.misalignment_mm / 2, 3), rng.normal(0, limits.misalignment_mm / 2, 3), np.zeros(3)]
    images = [_sample(image[None], pose, move, shape)[0] for image, move in zip(volume.images, slip, strict=True)]
    masks = _sample(torch.stack([volume.brain, volume.lesion, volume.ignored]), pose, np.zeros(3), shape)
    brain, lesion, ignored = (masks > 0.5).float()
    return TrainingVolume(torch.stack(images), brain, lesion, ignored, volume.grey)


def _random_pose(limits: AugmentationRange, rng: np.random.Generator) -> Matrix:
    """Return a 3 x 3 matrix in voxel units, order (W, H, D) as torch's sampling grid has it."""
    angles = np.deg2rad(rng.uniform(-limits.rotation_degrees, limits.rotation_degrees, 3))
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        a, b = [(1, 2), (0, 2), (0, 1)][axis]
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    matrix = matrix * rng.uniform(1 - limits.scale, 1 + limits.scale, 3)
    if rng.random() < limits.flip_chance:
        matrix[:, 0] *= -1
    return matrix


def _sample(images: Tensor, pose: Matrix, slip_mm: Matrix, shape: tuple[int, ...]) -> Tensor:
    """Sample `images` (C, D, H, W) linearly at a turned and shifted lattice of the same shape; 0 outside."""
    size = np.array(shape[::-1], float)
    # torch counts from -1 to 1 along each axis, so a rotation must be conjugated by the half sizes to stay a rotation.
    theta = np.concatenate([pose * size[None, :] / size[:, None], (2 * slip_mm / size)[:, None]], axis=1)
    grid = functional.affine_grid(torch.tensor(theta[None], dtype=torch.float32), [1, 1, *shape], align_corners=False)
    return functional.grid_sample(images[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]


def _change_channel(image: Tensor, limits: AugmentationRange, rng: np.random.Generator) -> Tensor:
    """Blur, shade, bend the contrast and add noise to one channel (D, H, W) in any units."""
    inside = image[image > 0]
    low, high = np.percentile(inside[::23].numpy(), CLIP_PERCENTILES)
    unit = (image - low) / max(high - low, 1e-6)
    if rng.random() < limits.blur_chance:
        unit = _blur(unit, rng.uniform(0.2, limits.blur_mm))
    bent = unit.clamp(min=0) ** float(np.exp(rng.uniform(-limits.gamma, limits.gamma)))
    bent = bent * _shading(tuple(image.shape), limits.bias_strength, rng)
    if rng.random() < limits.noise_chance:
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        bent = bent + rng.uniform(0, limits.noise) * torch.randn(image.shape, generator=generator)
    return torch.where(image > 0, bent.clamp(min=0) * 1000 + 1, 0.0)


def _blur(image: Tensor, sigma_mm: float) -> Tensor:
    """Gaussian blur of (D, H, W), separable."""
    reach = max(1, int(np.ceil(2.5 * sigma_mm)))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma_mm) ** 2)
    kernel = kernel / kernel.sum()
    out = image[None, None]
    for axis in range(3):
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
        shape[2 + axis], padding[axis] = len(kernel), reach
        out = functional.conv3d(out, kernel.view(shape), padding=padding)
    return out[0, 0]


def _shading(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> Tensor:
    """Return a smooth multiplicative field as a receive coil makes it (D, H, W)."""
    coarse = torch.from_numpy(rng.normal(0, rng.uniform(0, strength), (1, 1, 4, 4, 4)).astype(np.float32))
    return torch.exp(functional.interpolate(coarse, size=shape, mode="trilinear", align_corners=True))[0, 0]


def _thick_slices(images: Tensor, limits: AugmentationRange, rng: np.random.Generator) -> Tensor:
    """Acquire every channel again with thick slices along one axis, and interpolate it back to 1 mm."""
    axis = int(rng.choice(3, p=[0.7, 0.15, 0.15]))
    shape = tuple(images.shape[1:])
    out = []
    for image in images:
        thickness = rng.uniform(1.5, limits.thickest_mm)
        coarse = list(shape)
        coarse[axis] = max(8, round(shape[axis] / thickness))
        slabs = functional.interpolate(image[None, None], size=coarse, mode="area")
        out.append(functional.interpolate(slabs, size=shape, mode="trilinear", align_corners=False)[0, 0])
    return torch.stack(out)


def _change_outline(brain: Tensor, limits: AugmentationRange, rng: np.random.Generator) -> Tensor:
    """Make the brain mask one or two voxels too large or too small, as other brain extraction tools would."""
    if rng.random() >= limits.mask_chance:
        return brain
    width = 3 if rng.random() < 0.7 else 5
    grown = functional.max_pool3d(brain[None], width, 1, width // 2)[0]
    shrunk = 1 - functional.max_pool3d(1 - brain[None], width, 1, width // 2)[0]
    return grown if rng.random() < 0.4 else shrunk
