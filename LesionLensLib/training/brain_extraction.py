"""Train the network that finds the brain inside the head, on native visits with their brain masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from LesionLensLib.images import Volume, read_transform, read_volume, resample
from LesionLensLib.inference.brain_network import SPACING_MM, _smoothed, make_brain_network
from LesionLensLib.inference.foreground import head_mask
from LesionLensLib.inference.normalize import normalize
from LesionLensLib.networks.losses import combined_loss
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.training.augmentation import AugmentationRange, TrainingVolume, augment
from LesionLensLib.training.brain import CHANNELS

# Voxels are 3 mm here, so blur, slips and slices of one voxel are already large.
AUGMENTATION = AugmentationRange(
    rotation_degrees=20, scale=0.2, thick_slice_chance=0.2, thickest_mm=2.5, misalignment_mm=0.7, blur_mm=0.5,
    bias_strength=0.35, gamma=0.4, noise=0.05, mask_chance=0.0,
)  # fmt: skip
STRIPPED_CHANCE = 0.2
CUT_CHANCE = 0.3


@dataclass(frozen=True, eq=False)
class HeadExample:
    """A head at 3 mm: channels (C, D, H, W) in scanner units in the order T1, T2, FLAIR, and its brain mask."""

    patient: str
    channels: NDArray[np.float32]
    brain: NDArray[np.bool_]


def read_native_head(folder: Path) -> HeadExample:
    """Read a native visit at 3 mm, with skull, in the frame of its FLAIR image."""
    flair = read_volume(folder / "FLAIR.nii.gz")
    grid = flair.grid.closest_to_lps().with_spacing(SPACING_MM)
    images = [resample(_smoothed(read_volume(folder / f"{r}.nii.gz")), grid, "linear",
                       read_transform(folder / f"{r}_to_FLAIR.txt")) for r in ("T1", "T2")]  # fmt: skip
    images.append(resample(_smoothed(flair), grid))
    brain = read_volume(folder / "brain.nii.gz")
    return _example(folder.name.rsplit("_", 1)[0], images, brain)


def read_stripped_head(folder: Path) -> HeadExample:
    """Read a case of which only the brain is left; the network must leave such images as they are."""
    grid = read_volume(folder / "FLAIR.nii.gz").grid.closest_to_lps().with_spacing(SPACING_MM)
    images = [resample(_smoothed(read_volume(folder / f"{r}.nii.gz")), grid) for r in CHANNELS]
    return _example(folder.name, images, read_volume(folder / "brain.nii.gz"))


def example_from_volumes(patient: str, volumes: Sequence[Volume], brain: Volume) -> HeadExample:
    """Make an example of aligned volumes in the order T1, T2, FLAIR (a phantom)."""
    grid = volumes[-1].grid.closest_to_lps().with_spacing(SPACING_MM)
    return _example(patient, [resample(_smoothed(v), grid) for v in volumes], brain)


def draw(examples: Sequence[HeadExample], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return one randomised training pair: features (1, C, D, H, W) as at inference, and the brain (1, D, H, W)."""
    example = examples[int(rng.integers(len(examples)))]
    head = torch.ones(example.brain.shape)
    brain = torch.from_numpy(example.brain.astype(np.float32))
    changed = augment(
        TrainingVolume(torch.from_numpy(example.channels), head, brain, torch.zeros_like(brain)), AUGMENTATION, rng
    )
    images, target = changed.images.numpy(), changed.lesion.numpy() > 0
    if rng.random() < STRIPPED_CHANCE:
        images = images * target
    if rng.random() < CUT_CHANCE:
        first, last = int(rng.integers(0, target.shape[0] // 4)), int(rng.integers(0, target.shape[0] // 4))
        images, target = images[:, first : target.shape[0] - last], target[first : target.shape[0] - last]
    return _features(images)[None], torch.from_numpy(target)[None]


def train_brain_network(
    examples: Sequence[HeadExample], steps: int, seed: int, tell: Callable[[str], None]
) -> dict[str, Tensor]:
    """Return weights after `steps` Adam steps on one randomised head each, averaged over the last part of the run."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    network = make_brain_network(len(CHANNELS))
    optimizer = torch.optim.Adam(network.parameters(), 2e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    for step in range(1, steps + 1):
        features, target = draw(examples, rng)
        loss = combined_loss(network(features), target.float(), lesion_share=0.5)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        for name, value in network.state_dict().items():
            average[name].lerp_(value, 1 / min(50, step))
        if step % 50 == 0:
            tell(f"brain network, step {step} of {steps}: loss {loss.item():.4f}")
    return average


def brain_dice(network: RSANet, example: HeadExample) -> float:
    """Return the Dice overlap of the network's mask with the given one, at 3 mm."""
    with torch.inference_mode():
        found = network.eval()(_features(example.channels)[None]).argmax(1)[0].numpy() > 0
    return float(2 * (found & example.brain).sum() / (found.sum() + example.brain.sum()))


def _features(images: NDArray[np.float32]) -> Tensor:
    from LesionLensLib.geometry import Grid

    grid = Grid(images.shape[:0:-1], SPACING_MM, (0.0, 0.0, 0.0))
    head = head_mask(Volume(images[-1], grid))
    return torch.from_numpy(np.stack([normalize(image, head) for image in images]))


def _example(patient: str, images: Sequence[Volume], brain: Volume) -> HeadExample:
    channels = np.stack([image.array for image in images]).astype(np.float32)
    inside = resample(Volume((brain.array > 0).astype(np.float32), brain.grid), images[-1].grid).array > 0.5
    return HeadExample(patient, channels, inside)
