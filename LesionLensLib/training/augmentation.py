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
from LesionLensLib.training.pose import rotation
from LesionLensLib.training.torch_filters import gaussian_blur, neighbourhood_max, patches, smooth_field


@dataclass(frozen=True)
class AugmentationRange:
    """How far a training image may be moved from the original; chances are per volume, sizes in mm of 1 mm voxels."""

    rotation_degrees: float = 15.0
    scale: float = 0.15
    elastic_mm: float = 0.0
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
    grown_share: float = 0.4
    grey_chance: float = 0.7
    grey_t1: tuple[float, float] = (-0.25, 0.05)
    grey_t2: tuple[float, float] = (-0.05, 0.1)
    grey_flair: tuple[float, float] = (-0.1, 0.2)
    grey_patch_flair: tuple[float, float] = (0.0, 0.0)
    score_scale: float = 0.25
    score_shift: float = 0.5


@dataclass(frozen=True)
class TrainingVolume:
    """A whole volume on its way into training: images (C, D, H, W), and masks (D, H, W) as float 0 or 1.

    `grey` is the share of grey matter in each voxel; None where it is not known or its level is random already.
    """

    images: Tensor
    brain: Tensor
    lesion: Tensor
    ignored: Tensor
    grey: Tensor | None


def augment(volume: TrainingVolume, limits: AugmentationRange, rng: np.random.Generator) -> TrainingVolume:
    """Return a randomly changed copy: pose, resolution, alignment, shading, contrast, noise, brain outline.

    Images stay in scanner units and are normalised afterwards, exactly as at inference.
    """
    moved = _change_pose(change_grey_matter(volume, limits, rng), limits, rng)
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


def change_grey_matter(volume: TrainingVolume, limits: AugmentationRange, rng: np.random.Generator) -> TrainingVolume:
    """Move the level of grey matter against white matter, each channel by a share of its range.

    Sequences differ most in this: gradient-echo T1 shows the cortex much darker than white matter, spin-echo T1 hardly;
    FLAIR shows it from equal to clearly brighter. A cortex dark on T1 and bright on FLAIR must not pass for a lesion.
    """
    if volume.grey is None or rng.random() >= limits.grey_chance:
        return volume
    inside = volume.images[:, volume.brain > 0][:, ::23]
    reach = torch.quantile(inside, 0.98, dim=1) - torch.quantile(inside, 0.02, dim=1)
    moves = [rng.uniform(*r) for r in (limits.grey_t1, limits.grey_t2, limits.grey_flair)]
    offset = (reach * torch.tensor(moves, dtype=torch.float32)).view(-1, 1, 1, 1) * volume.grey
    # Limbic cortex is brighter on FLAIR than other cortex, in some brains as bright as a lesion.
    regional = reach[2] * rng.uniform(*limits.grey_patch_flair) * patches(tuple(volume.brain.shape), rng) * volume.grey
    offset[1:] += torch.tensor([rng.uniform(0, 0.7), 1.0]).view(-1, 1, 1, 1) * regional
    changed = torch.where(volume.images > 0, (volume.images + offset).clamp(min=1e-3), volume.images)
    return replace(volume, images=changed)


def _change_pose(volume: TrainingVolume, limits: AugmentationRange, rng: np.random.Generator) -> TrainingVolume:
    """Turn, scale and mirror everything together; channels may also slip a little against each other."""
    shape = tuple(volume.brain.shape)
    pose, bend = _random_pose(limits, rng), _random_bend(shape, limits, rng)
    together = torch.cat([volume.images, torch.stack([volume.brain, volume.lesion, volume.ignored])])
    moved = _sample(together, pose, np.zeros(3), bend)
    images, (brain, lesion, ignored) = moved[:-3], (moved[-3:] > 0.5).float()
    if rng.random() < limits.misalignment_chance:
        slips = rng.normal(0, limits.misalignment_mm / 2, (len(images) - 1, 3))
        slipped = [_sample(i[None], pose, s, bend)[0] for i, s in zip(volume.images[:-1], slips, strict=True)]
        images = torch.stack([*slipped, images[-1]])
    return TrainingVolume(images, brain, lesion, ignored, volume.grey)


def _random_pose(limits: AugmentationRange, rng: np.random.Generator) -> Matrix:
    """Return a 3 x 3 matrix in voxel units, order (W, H, D) as torch's sampling grid has it."""
    matrix = rotation(rng.uniform(-limits.rotation_degrees, limits.rotation_degrees, 3))
    matrix = matrix * rng.uniform(1 - limits.scale, 1 + limits.scale, 3)
    if rng.random() < limits.flip_chance:
        matrix[:, 0] *= -1
    return matrix


def _random_bend(shape: tuple[int, ...], limits: AugmentationRange, rng: np.random.Generator) -> Tensor:
    """Return a smooth displacement (1, D, H, W, 3) in torch's units, order (W, H, D), about 3 cm from knot to knot."""
    fields = [smooth_field(shape, (5, 6, 5), 2 * limits.elastic_mm / size, rng) for size in shape[::-1]]
    return torch.stack(fields, dim=-1)[None]


def _sample(images: Tensor, pose: Matrix, slip_mm: Matrix, bend: Tensor) -> Tensor:
    """Sample `images` (C, D, H, W) linearly at a turned, shifted and bent lattice of the same shape; 0 outside."""
    shape = tuple(images.shape[1:])
    size = np.array(shape[::-1], float)
    # torch counts from -1 to 1 along each axis, so a rotation must be conjugated by the half sizes to stay a rotation.
    theta = np.concatenate([pose * size[None, :] / size[:, None], (2 * slip_mm / size)[:, None]], axis=1)
    grid = functional.affine_grid(torch.tensor(theta[None], dtype=torch.float32), [1, 1, *shape], align_corners=False)
    return functional.grid_sample(images[None], grid + bend, "bilinear", "zeros", align_corners=False)[0]


def _change_channel(image: Tensor, limits: AugmentationRange, rng: np.random.Generator) -> Tensor:
    """Blur, shade, bend the contrast and add noise to one channel (D, H, W) in any units."""
    inside = image[image > 0]
    low, high = np.percentile(inside[::23].numpy(), CLIP_PERCENTILES)
    unit = (image - low) / max(high - low, 1e-6)
    if rng.random() < limits.blur_chance:
        unit = gaussian_blur(unit, rng.uniform(0.2, limits.blur_mm))
    bent = unit.clamp(min=0) ** float(np.exp(rng.uniform(-limits.gamma, limits.gamma)))
    # A receive coil shades the image smoothly.
    bent = bent * torch.exp(smooth_field(tuple(image.shape), (4, 4, 4), rng.uniform(0, limits.bias_strength), rng))
    if rng.random() < limits.noise_chance:
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        bent = bent + rng.uniform(0, limits.noise) * torch.randn(image.shape, generator=generator)
    return torch.where(image > 0, bent.clamp(min=0) * 1000 + 1, 0.0)


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
    if rng.random() < limits.grown_share:
        return neighbourhood_max(brain, width)
    return 1 - neighbourhood_max(1 - brain, width)
