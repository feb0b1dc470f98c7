"""Train the network that finds the brain inside the head, on native visits with their brain masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_transform, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.brain_network import SPACING_MM, make_brain_network, smoothed
from LesionLensLib.inference.foreground import head_mask
from LesionLensLib.inference.normalize import normalize
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.networks.losses import combined_loss
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.phantom import make_head_phantom
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

    case: str
    patient: str
    channels: NDArray[np.float32]
    brain: NDArray[np.bool_]


def read_head(row: ManifestRow) -> HeadExample:
    """Read a case of the manifest at 3 mm in the frame of its FLAIR image, whole head.

    Stripped cases are welcome: the network must leave such images as they are.
    """
    flair = read_volume(row.files["FLAIR"])
    volumes = [_channel_of(row, role, flair) for role in CHANNELS[:2]]
    return _example(row.case, row.patient, [*volumes, flair], read_volume(row.files["brain"]))


def phantom_heads(count: int) -> list[HeadExample]:
    """Return digital phantoms as further heads: few real ones are at hand, and none with other anatomy than theirs."""
    heads = []
    for seed in range(1, count + 1):
        phantom = make_head_phantom(seed, spacing_mm=(1.5, 1.5, 3.0))
        heads.append(_example(f"phantom{seed}", "phantom", list(phantom.channels.values()), phantom.brain))
    return heads


def draw(examples: Sequence[HeadExample], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return one randomised training pair: features (1, C, D, H, W) as at inference, and the brain (1, D, H, W)."""
    example = examples[int(rng.integers(len(examples)))]
    head = torch.ones(example.brain.shape)
    brain = torch.from_numpy(example.brain.astype(np.float32))
    changed = augment(
        TrainingVolume(torch.from_numpy(example.channels), head, brain, torch.zeros_like(brain), None),
        AUGMENTATION, rng
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
    grid = Grid(images.shape[:0:-1], SPACING_MM, (0.0, 0.0, 0.0))
    head = head_mask(Volume(images[-1], grid))
    return torch.from_numpy(np.stack([normalize(image, head) for image in images]))


def _channel_of(row: ManifestRow, role: str, flair: Volume) -> Volume:
    """Return a channel on the FLAIR grid, moved by its transform where the manifest gives one."""
    column = f"{role}_transform"
    transform = read_transform(row.files[column]) if row.has(column) else None
    return resample(read_volume(row.files[role]), flair.grid, "linear", transform)


def _example(case: str, patient: str, volumes: Sequence[Volume], brain: Volume) -> HeadExample:
    grid = brain.grid.closest_to_lps().with_spacing(SPACING_MM)
    channels = np.stack([resample(smoothed(volume), grid).array for volume in volumes]).astype(np.float32)
    inside = resample(brain.with_array((brain.array > 0).astype(np.float32)), grid).array > 0.5
    return HeadExample(case, patient, channels, inside)
