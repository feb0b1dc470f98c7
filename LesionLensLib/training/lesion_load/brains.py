"""The lesion-free brains that lesions are planted into: real ones healed, anatomies painted, digital phantoms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import SimpleITK as sitk
import torch

from LesionLensLib.errors import UserError
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.bias_field import correct_bias
from LesionLensLib.inference.region import brain_box
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.phantom import make_head_phantom
from LesionLensLib.training.brain import CHANNELS, Brain, FloatArray, classify_tissue
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache
from LesionLensLib.training.contrast_synthesis import paint
from LesionLensLib.training.healing import heal, keep_where_lesions_lie, where_lesions_lie
from LesionLensLib.training.lesion_library import (
    LesionContrast,
    ScatteredLesion,
    measure_lesion_contrast,
    small_lesions,
)
from LesionLensLib.training.lesion_load.recipe import LoadRecipe
from LesionLensLib.training.phantoms import FIRST_SEED, SPACINGS_MM
from LesionLensLib.training.pool import merge_contrasts
from LesionLensLib.training.sources import SPACING_MM, align, read_anatomy
from LesionLensLib.training.sources_cached import cached_brain


@dataclass(frozen=True, eq=False)
class LesionSource:
    """What real lesions look like: masks in standard space, small ones to scatter, their contrast, where they lie.

    `standard` is the labelled brain in the space of the masks, to which others are aligned.
    """

    masks: tuple[Volume, ...]
    library: tuple[ScatteredLesion, ...]
    contrast: LesionContrast
    likely: Volume
    standard: Brain


@dataclass(frozen=True, eq=False)
class HealedBrain:
    """A brain without lesions: `channels` (3, D, H, W) in scanner units; `to_standard` leads to the masks' space."""

    brain: Brain
    kind: str
    channels: FloatArray
    to_standard: sitk.Transform


class LabelledBrains:
    """The labelled rows that are not of the test split, read when they are first asked for, and once."""

    def __init__(self, rows: Sequence[ManifestRow], cache: CaseCache = NO_CACHE) -> None:
        self.cache = cache
        self.rows = [row for row in rows if row.has(*CHANNELS, "brain", "lesion") and row.split != "test"]

    @cached_property
    def by_case(self) -> dict[str, Brain]:
        """The brains by case, in the order of the manifest."""
        return {row.case: cached_brain(row, self.cache) for row in self.rows}


def lesion_source(labelled: Sequence[Brain], outlines: Sequence[ManifestRow]) -> LesionSource:
    """Read what is planted: the contrast of the `labelled` brains, the masks of `outlines`.

    Raises `UserError` where no brain is labelled or there are no outlines.
    """
    masks = tuple(read_volume(row.files["lesion"]) for row in outlines)
    if not labelled or not masks:
        raise UserError(
            "The manifest has no labelled case or no lesion mask to plant.",
            "Add rows with T1, T2, FLAIR, brain and lesion, and rows with lesion alone.",
        )
    library = tuple(small_lesions([mask.array > 0 for mask in masks]))
    contrast = merge_contrasts([measure_lesion_contrast(brain) for brain in labelled])
    return LesionSource(masks, library, contrast, where_lesions_lie(masks), labelled[0])


def healed_brain(brain: Brain, source: LesionSource, rng: np.random.Generator) -> HealedBrain:
    """Heal what is, or may be, a lesion in a real brain."""
    known = brain.name == source.standard.name
    to_standard = sitk.Transform(3, sitk.sitkIdentity) if known else align(brain, source.standard)
    frequency = resample(source.likely, brain.grid, "linear", to_standard).array
    brain = replace(brain, suspect=keep_where_lesions_lie(brain.suspect, frequency))
    return HealedBrain(brain, "real", heal(brain, rng), to_standard)


def painted_brains(row: ManifestRow, recipe: LoadRecipe, rng: np.random.Generator) -> Iterator[HealedBrain]:
    """Paint an anatomy of which T1 alone is known, in the space of the masks, with random contrasts."""
    anatomy, shares = read_anatomy(row)
    tissue = torch.from_numpy(shares.astype(np.float32)) / 255
    no_lesion = torch.zeros(anatomy.brain.shape)
    for number in range(recipe.soils.paintings):
        channels = paint(tissue, no_lesion, recipe.synthesis, rng).numpy()
        painted = replace(anatomy, name=f"{anatomy.name}-{number}", channels=channels)
        yield HealedBrain(painted, "painted", channels, sitk.Transform(3, sitk.sitkIdentity))


def phantom_brain(number: int, source: LesionSource) -> HealedBrain:
    """Make a digital phantom without lesions; the same number gives the same one."""
    seed = FIRST_SEED + number
    phantom = make_head_phantom(seed, SPACINGS_MM[number % len(SPACINGS_MM)], lesions=0)
    whole = phantom.FLAIR.grid.closest_to_lps().with_spacing(SPACING_MM)
    grid, part = brain_box(resample(phantom.brain, whole, "nearest").array > 0, whole)
    mask = resample(phantom.brain, whole, "nearest").array[part] > 0
    channels = np.stack(
        [correct_bias(resample(phantom.channels[role], grid).array, mask, SPACING_MM) for role in CHANNELS]
    )
    tissue = classify_tissue(channels, mask, np.zeros_like(mask))
    name = f"phantom{seed}"
    brain = Brain(name, name, channels, grid, mask, tissue, np.zeros_like(mask))
    return HealedBrain(brain, "phantom", channels, align(brain, source.standard))


