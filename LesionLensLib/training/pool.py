"""The training set in memory: real brains with real labels, and the same and other brains with planted lesions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import IterableDataset

from LesionLensLib.errors import UserError
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.normalize import normalize
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.augmentation import TrainingVolume, augment, jitter_scores
from LesionLensLib.training.brain import CHANNELS, CSF, GREY, WHITE, BoolArray, Brain, FloatArray
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache
from LesionLensLib.training.contrast_synthesis import paint, thin_out
from LesionLensLib.training.healing import heal, keep_where_lesions_lie, where_lesions_lie
from LesionLensLib.training.lesion_library import (
    LesionContrast,
    ScatteredLesion,
    measure_lesion_contrast,
    small_lesions,
)
from LesionLensLib.training.phantoms import phantom_volume
from LesionLensLib.training.planting import draw_lesions, plant
from LesionLensLib.training.recipe import Recipe
from LesionLensLib.training.sources import align, outline_on, read_anatomy
from LesionLensLib.training.sources_cached import cached_brain
from LesionLensLib.training.team import ALONE, Team

JITTER_DEGREES = 6.0
JITTER_MM = 4.0
JITTER_SCALE = 0.1


@dataclass(frozen=True)
class PoolEntry:
    """One volume of the training set: masks (D, H, W), and `channels` (C, D, H, W) in scanner units where it has any.

    `shares` (3, D, H, W) is how much of a voxel is fluid, grey and white matter, in 255ths; all 0 where tissues are not
    known. A volume without channels, an anatomy of which only tissues are known, is always painted. `of_labelled` says
    that the brain is a really labelled one, whatever lesions it carries here.
    """

    name: str
    is_real: bool
    of_labelled: bool
    channels: NDArray[np.float16] | None
    brain: BoolArray
    lesion: BoolArray
    shares: NDArray[np.uint8]


def build_pool(
    rows: Sequence[ManifestRow], recipe: Recipe, tell: Callable[[str], None], cache: CaseCache = NO_CACHE
) -> list[PoolEntry]:
    """Build the training set from the rows of a manifest that are not of the test split.

    Rows with images and a lesion label train as they are and, healed, as soil for planting; rows with images alone are
    soil; rows with T1 and brain alone, in the space of the first labelled row, are anatomy to be painted; rows with a
    lesion mask alone, in the same space, give the shapes that are planted.
    Raises `UserError` where no row is labelled or no shape remains.
    """
    rng = np.random.default_rng(recipe.seed)
    rows = [row for row in rows if row.split != "test"]
    imaged = [row for row in rows if row.has(*CHANNELS, "brain")]
    brains = [cached_brain(row, cache) for row in sorted(imaged, key=lambda row: (not row.has("lesion"), row.case))]
    labelled = [brain for brain in brains if brain.lesion is not None]
    masks = [read_volume(row.files["lesion"]) for row in outline_rows(rows, recipe)]
    if not labelled or not masks:
        raise UserError(
            "The manifest has no labelled case or no lesion mask to plant.",
            "Add rows with T1, T2, FLAIR, brain and lesion, and rows with lesion alone.",
        )
    contrast = merge_contrasts([measure_lesion_contrast(brain) for brain in labelled])
    library = small_lesions([mask.array > 0 for mask in masks])
    pool = [_entry(brain.name, True, brain.channels, brain, brain.lesion) for brain in labelled]
    outline_source, likely = _OutlineSource(masks, library, recipe, rng), where_lesions_lie(masks)
    for brain in brains:
        tell(f"planting lesions into {brain.name}")
        to_standard = sitk.Transform(3, sitk.sitkIdentity) if brain in labelled else align(brain, labelled[0])
        frequency = resample(likely, brain.grid, "linear", to_standard).array
        brain = replace(brain, suspect=keep_where_lesions_lie(brain.suspect, frequency))
        for number in range(recipe.planted_per_brain):
            lesion = outline_source.draw(brain, to_standard)
            channels = plant(heal(brain, rng), brain, lesion, contrast, recipe.planting, rng)
            pool.append(_entry(f"{brain.name}_planted{number}", False, channels, brain, lesion))
    for row in (row for row in rows if row.has("T1", "brain") and not row.has("FLAIR")):
        tell(f"drawing lesions in {row.case}")
        anatomy, shares = read_anatomy(row)
        for number in range(recipe.planted_per_brain):
            lesion = outline_source.draw(anatomy, sitk.Transform(3, sitk.sitkIdentity))
            pool.append(PoolEntry(f"{row.case}_drawn{number}", False, False, None, anatomy.brain, lesion, shares))
    return pool + phantom_entries(recipe.phantom_volumes)


@dataclass(frozen=True, eq=False)
class _OutlineSource:
    """Draws the lesions of one simulated patient after another."""

    masks: Sequence[Volume]
    library: Sequence[ScatteredLesion]
    recipe: Recipe
    rng: np.random.Generator

    def draw(self, brain: Brain, to_standard: sitk.Transform) -> BoolArray:
        """Return a lesion mask (D, H, W) on the grid of `brain`; `to_standard` leads to the space of the masks."""
        mask = self.masks[int(self.rng.integers(len(self.masks)))]
        outline = outline_on(brain, mask, to_standard, random_motion(brain, self.rng))
        return draw_lesions(outline, brain, self.library, self.recipe.planting, self.rng)


def phantom_entries(count: int) -> list[PoolEntry]:
    """Return `count` digital phantoms with their exact lesions."""
    volumes = [phantom_volume(number) for number in range(count)]
    return [
        PoolEntry(name, False, False, _half(channels), brain, lesion, np.zeros((3, *brain.shape), np.uint8))
        for name, channels, brain, lesion in volumes
    ]


def outline_rows(rows: Sequence[ManifestRow], recipe: Recipe) -> list[ManifestRow]:
    """Return the rows whose lesion masks are planted: those with nothing but a mask, less the ones held out."""
    chosen = [row for row in rows if row.has("lesion") and not row.has("FLAIR")]
    return sorted((row for row in chosen if row.patient not in recipe.held_out_outlines), key=lambda row: row.case)


class CropStream(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches of crops: images (N, C, D, H, W), lesion and ignored (N, D, H, W), of one or more volumes.

    Deterministic: batch number n depends on the recipe's seed and n alone, so a resumed run sees what an unbroken one
    would have seen. A process of a `team` gets its rows of it, and changes only the volumes from which they are cut.
    """

    def __init__(self, pool: Sequence[PoolEntry], recipe: Recipe, first: int = 0, team: Team = ALONE) -> None:
        self.pool, self.recipe, self.first, self.team = pool, recipe, first, team
        self._latest: dict[int, tuple[Tensor, TrainingVolume]] = {}

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        torch.set_num_threads(1)
        number = self.first
        while True:
            yield self.batch(number)
            number += 1

    def batch(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return this process's rows of batch `number`; `batches_per_volume` in a row cut the same changed volumes."""
        each = self.recipe.crops_at(number)[0]
        rows = self.team.rows(each * self.recipe.volumes_per_step)
        crops = []
        for place in range(rows.start // each, -(-rows.stop // each)):
            cut = self._crops(number * self.recipe.volumes_per_step + place, number)
            crops += cut[max(0, rows.start - place * each) : rows.stop - place * each]
        stacked = tuple(torch.stack(parts) for parts in zip(*crops, strict=True))
        return stacked[0], stacked[1], stacked[2]

    def _crops(self, place: int, number: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return all crops of the volume at a place of the endless sequence, for batch `number`."""
        images, changed = self._changed(self._volume_number(place), number)
        rng = np.random.default_rng([self.recipe.seed, 2, place])
        count, size = self.recipe.crops_at(number)
        return [self._crop(images, changed, np.array(size), rng) for _ in range(count)]

    def _volume_number(self, place: int) -> int:
        batch, volume = divmod(place, self.recipe.volumes_per_step)
        return batch // self.recipe.batches_per_volume * self.recipe.volumes_per_step + volume

    def _changed(self, volume_number: int, number: int) -> tuple[Tensor, TrainingVolume]:
        """Return z-scores (C, D, H, W) and masks of a volume drawn and changed at random; a batch's own are kept."""
        if volume_number not in self._latest:
            each = self.recipe.volumes_per_step
            self._latest = {n: kept for n, kept in self._latest.items() if n // each == volume_number // each}
            rng = np.random.default_rng([self.recipe.seed, 1, volume_number])
            changed = augment(self._volume(self._choose(rng, number), rng), self.recipe.augmentation, rng)
            brain = changed.brain.numpy() > 0
            images = torch.stack([torch.from_numpy(normalize(image.numpy(), brain)) for image in changed.images])
            images = jitter_scores(images, changed.brain, self.recipe.augmentation, rng)
            self._latest[volume_number] = images, changed
        return self._latest[volume_number]

    def _volume(self, entry: PoolEntry, rng: np.random.Generator) -> TrainingVolume:
        """Return the entry with its own channels, or painted with random ones."""
        brain = torch.from_numpy(entry.brain.astype(np.float32))
        shares = torch.from_numpy(entry.shares.astype(np.float32)) / 255
        paints = bool(entry.shares.any()) and rng.random() < self.recipe.synthesis.chance
        if entry.channels is None or paints:
            lesion = torch.from_numpy(thin_out(entry.lesion, self.recipe.synthesis, rng).astype(np.float32))
            return TrainingVolume(paint(shares, lesion, self.recipe.synthesis, rng), brain, lesion, lesion * 0, None)
        lesion = torch.from_numpy(entry.lesion.astype(np.float32))
        grey = shares[1] * (1 - lesion)
        return TrainingVolume(torch.from_numpy(entry.channels.astype(np.float32)), brain, lesion, lesion * 0, grey)

    def _choose(self, rng: np.random.Generator, number: int) -> PoolEntry:
        pool = [e for e in self.pool if number >= self.recipe.labelled_from_step or not e.of_labelled]
        real = [entry for entry in pool if entry.is_real]
        planted = [entry for entry in pool if not entry.is_real]
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
    shares = tissue_shares(brain, lesion)
    return PoolEntry(name, is_real, brain.lesion is not None, _half(channels), brain.brain, lesion, shares)


def tissue_shares(brain: Brain, lesion: BoolArray) -> NDArray[np.uint8]:
    """Return the shares of fluid, grey and white matter (3, D, H, W) in 255ths, soft where tissues meet.

    A lesion counts as white matter, so that what is painted under its soft edge is the tissue around it; so does what
    was a lesion before it was healed, with its rim, which k-means takes for grey matter.
    """
    sick = lesion | brain.suspect
    if brain.lesion is not None:
        sick |= ndimage.binary_dilation(brain.lesion, iterations=2) & (brain.tissue == GREY) | brain.lesion
    tissue = np.where(sick & brain.brain, WHITE, brain.tissue)
    soft = np.stack([ndimage.gaussian_filter((tissue == n).astype(np.float32), 0.6) for n in (CSF, GREY, WHITE)])
    total = np.maximum(soft.sum(axis=0), 1e-3)
    shares: NDArray[np.uint8] = np.rint(255 * soft / total * brain.brain).astype(np.uint8)
    return shares


def _half(channels: FloatArray) -> NDArray[np.float16]:
    return np.clip(channels, 0, 60000).astype(np.float16)


def merge_contrasts(parts: Sequence[LesionContrast]) -> LesionContrast:
    """Return the lesions of several brains as one collection."""
    means, spreads, voxels = ([getattr(p, name) for p in parts] for name in ("mean", "spread", "voxels"))
    return LesionContrast(np.concatenate(means), np.concatenate(spreads), np.concatenate(voxels))


def random_motion(brain: Brain, rng: np.random.Generator) -> sitk.Transform:
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
