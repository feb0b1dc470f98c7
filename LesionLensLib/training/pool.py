"""The training set in memory: real brains with real labels, and the same and other brains with planted lesions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import IterableDataset

from LesionLensLib.errors import UserError
from LesionLensLib.images import read_volume
from LesionLensLib.inference.normalize import normalize
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.augmentation import TrainingVolume, augment, jitter_scores
from LesionLensLib.training.brain import CHANNELS, GREY, BoolArray, Brain, FloatArray
from LesionLensLib.training.healing import heal
from LesionLensLib.training.lesion_library import LesionContrast, measure_lesion_contrast, small_lesions
from LesionLensLib.training.phantoms import phantom_volume
from LesionLensLib.training.planting import plant
from LesionLensLib.training.recipe import Recipe
from LesionLensLib.training.sources import align, outline_on, read_brain

JITTER_DEGREES = 6.0
JITTER_MM = 4.0
JITTER_SCALE = 0.1


@dataclass(frozen=True)
class PoolEntry:
    """One volume of the training set; `channels` (C, D, H, W) in scanner units, masks and grey share (D, H, W)."""

    name: str
    is_real: bool
    channels: NDArray[np.float16]
    brain: BoolArray
    lesion: BoolArray
    grey: NDArray[np.float16]


def build_pool(rows: Sequence[ManifestRow], recipe: Recipe, tell: Callable[[str], None]) -> list[PoolEntry]:
    """Build the training set from the rows of a manifest that are not of the test split.

    Rows with images and a lesion label train as they are and, healed, as soil for planting; rows with images alone are
    soil; rows with a lesion mask alone, in the space of the first labelled row, give the shapes that are planted.
    Raises `UserError` where no row is labelled or no shape remains.
    """
    rng = np.random.default_rng(recipe.seed)
    rows = [row for row in rows if row.split != "test"]
    imaged = [row for row in rows if row.has(*CHANNELS, "brain")]
    brains = [read_brain(row) for row in sorted(imaged, key=lambda row: (not row.has("lesion"), row.case))]
    labelled = [brain for brain in brains if brain.lesion is not None]
    masks = [read_volume(row.files["lesion"]) for row in _outline_rows(rows, recipe)]
    if not labelled or not masks:
        raise UserError(
            "The manifest has no labelled case or no lesion mask to plant.",
            "Add rows with T1, T2, FLAIR, brain and lesion, and rows with lesion alone.",
        )
    contrast = _merge([measure_lesion_contrast(brain) for brain in labelled])
    library = small_lesions([mask.array > 0 for mask in masks])
    pool = [_entry(brain.name, True, brain.channels, brain, brain.lesion) for brain in labelled]
    for brain in brains:
        tell(f"planting lesions into {brain.name}")
        to_standard = sitk.Transform(3, sitk.sitkIdentity) if brain in labelled else align(brain, labelled[0])
        for number in range(recipe.planted_per_brain):
            mask = masks[int(rng.integers(len(masks)))]
            outline = outline_on(brain, mask, to_standard, _jitter(brain, rng))
            planted = plant(heal(brain, rng), brain, outline, contrast, library, recipe.planting, rng)
            pool.append(_entry(f"{brain.name}_planted{number}", False, planted.channels, brain, planted.lesion))
    return pool + phantom_entries(recipe.phantom_volumes)


def phantom_entries(count: int) -> list[PoolEntry]:
    """Return `count` digital phantoms with their exact lesions."""
    volumes = [phantom_volume(number) for number in range(count)]
    nowhere = [np.zeros(brain.shape, np.float16) for _, _, brain, _ in volumes]
    return [PoolEntry(n, False, _half(c), b, les, grey) for (n, c, b, les), grey in zip(volumes, nowhere, strict=True)]


def _outline_rows(rows: Sequence[ManifestRow], recipe: Recipe) -> list[ManifestRow]:
    chosen = [row for row in rows if row.has("lesion") and not row.has("FLAIR")]
    return sorted((row for row in chosen if row.patient not in recipe.held_out_outlines), key=lambda row: row.case)


class CropStream(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches of crops: images (N, C, D, H, W), lesion and ignored (N, D, H, W), N crops of one volume.

    Deterministic: batch number n depends on the recipe's seed and n alone, so a resumed run sees what an unbroken one
    would have seen.
    """

    def __init__(self, pool: Sequence[PoolEntry], recipe: Recipe, first: int = 0) -> None:
        self.pool, self.recipe, self.first = pool, recipe, first

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        torch.set_num_threads(1)
        number = self.first
        while True:
            yield self.batch(number)
            number += 1

    def batch(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return batch `number`."""
        rng = np.random.default_rng([self.recipe.seed, 1, number])
        entry = self._choose(rng)
        ignored = torch.zeros(entry.brain.shape)
        volume = TrainingVolume(
            torch.from_numpy(entry.channels.astype(np.float32)),
            torch.from_numpy(entry.brain.astype(np.float32)),
            torch.from_numpy(entry.lesion.astype(np.float32)),
            ignored,
            torch.from_numpy(entry.grey.astype(np.float32)),
        )
        changed = augment(volume, self.recipe.augmentation, rng)
        brain = changed.brain.numpy() > 0
        images = torch.stack([torch.from_numpy(normalize(image.numpy(), brain)) for image in changed.images])
        images = jitter_scores(images, changed.brain, self.recipe.augmentation, rng)
        count, size = self.recipe.crops_at(number)
        crops = [self._crop(images, changed, np.array(size), rng) for _ in range(count)]
        stacked = tuple(torch.stack(parts) for parts in zip(*crops, strict=True))
        return stacked[0], stacked[1], stacked[2]

    def _choose(self, rng: np.random.Generator) -> PoolEntry:
        real = [entry for entry in self.pool if entry.is_real]
        planted = [entry for entry in self.pool if not entry.is_real]
        group = real if real and (not planted or rng.random() < self.recipe.real_share) else planted
        return group[int(rng.integers(len(group)))]

    def _crop(
        self, images: Tensor, volume: TrainingVolume, size: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        lesion = torch.nonzero(volume.lesion)
        wants_lesion = len(lesion) > 0 and rng.random() < self.recipe.lesion_crop_chance
        spots = lesion if wants_lesion else torch.nonzero(volume.brain)
        centre = spots[int(rng.integers(len(spots)))].numpy() + rng.integers(-12, 13, 3)
        shape = np.array(images.shape[1:])
        lower = np.clip(centre - size // 2, 0, np.maximum(shape - size, 0))
        box = tuple(slice(int(a), int(a + n)) for a, n in zip(lower, size, strict=True))
        short = np.maximum(size - shape, 0)
        pad = (0, int(short[2]), 0, int(short[1]), 0, int(short[0]))
        parts = [images[(slice(None), *box)], volume.lesion[box], volume.ignored[box]]
        padded = [torch.nn.functional.pad(part, pad) for part in parts]
        return padded[0], padded[1], padded[2] > 0.5


def _entry(name: str, is_real: bool, channels: FloatArray, brain: Brain, lesion: BoolArray | None) -> PoolEntry:
    if lesion is None:
        raise ValueError(f"{name} has no complete lesion label")
    return PoolEntry(name, is_real, _half(channels), brain.brain, lesion, grey_share(brain, lesion))


def grey_share(brain: Brain, lesion: BoolArray) -> NDArray[np.float16]:
    """Return the share of grey matter (D, H, W), soft at its edges and 0 in lesions."""
    grey = ndimage.gaussian_filter(((brain.tissue == GREY) & ~lesion).astype(np.float32), 0.6)
    return np.where(lesion, 0, grey).astype(np.float16)


def _half(channels: FloatArray) -> NDArray[np.float16]:
    return np.clip(channels, 0, 60000).astype(np.float16)


def _merge(parts: Sequence[LesionContrast]) -> LesionContrast:
    means, spreads, voxels = ([getattr(p, name) for p in parts] for name in ("mean", "spread", "voxels"))
    return LesionContrast(np.concatenate(means), np.concatenate(spreads), np.concatenate(voxels))


def _jitter(brain: Brain, rng: np.random.Generator) -> sitk.Transform:
    """Return a small random affine motion about the centre of the brain, and a left-right mirror half of the time."""
    transform = sitk.AffineTransform(3)
    centre = brain.grid.ijk_to_lps @ np.array([*((np.array(brain.grid.size) - 1) / 2), 1.0])
    transform.SetCenter(centre[:3].tolist())
    for axes in ((0, 1), (0, 2), (1, 2)):
        transform.Rotate(*axes, float(np.deg2rad(rng.uniform(-JITTER_DEGREES, JITTER_DEGREES))))
    transform.Scale((1 + rng.uniform(-JITTER_SCALE, JITTER_SCALE, 3)).tolist())
    if rng.random() < 0.5:
        transform.Scale([-1.0, 1.0, 1.0])
    transform.Translate(rng.uniform(-JITTER_MM, JITTER_MM, 3).tolist())
    return transform
