"""All simulated patients of a training, or of its evaluation; each is kept in a file, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from LesionLensLib.errors import UserError
from LesionLensLib.images import Volume
from LesionLensLib.inference.hemispheres import brain_centre_ras
from LesionLensLib.inference.lesion_load import load_grid
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.augmentation import TrainingVolume, change_grey_matter
from LesionLensLib.training.brain import CHANNELS, GREY, BoolArray, FloatArray
from LesionLensLib.training.case_cache import key_of
from LesionLensLib.training.lesion_load.brains import (
    HealedBrain,
    LabelledBrains,
    LesionSource,
    healed_brain,
    lesion_source,
    painted_brains,
    phantom_brain,
)
from LesionLensLib.training.lesion_load.recipe import LoadRecipe
from LesionLensLib.training.lesion_load.soil import LoadSoil, make_soil
from LesionLensLib.training.planting import draw_lesions, plant
from LesionLensLib.training.pool import random_motion, tissue_shares
from LesionLensLib.training.sources import outline_on
from LesionLensLib.training.sources_cached import cached_brain
from LesionLensLib.training.team import ALONE, Team

SOILS_FOLDER = "soils"
HELD_OUT = "held-out"
TRAIN = "train"

HELD_OUT_SEED = 1000
"""Added to the recipe's seed, so that what is planted for the evaluation is drawn anew."""

Tell = Callable[[str], None]
Ready = Callable[[], LesionSource]
"""Reads what is planted when it is first needed: a resumed run needs it no more."""


def training_soils(
    rows: Sequence[ManifestRow],
    labelled: LabelledBrains,
    recipe: LoadRecipe,
    folder: Path,
    tell: Tell,
    team: Team = ALONE,
) -> list[LoadSoil]:
    """Return the soils to learn from: no patient and no outline that the recipe holds out, and no test row."""
    rows = [row for row in rows if row.split != "test"]
    taught = [row for row in rows if row.patient not in recipe.held_out_patients]
    outlines = [row for row in _outlines(rows) if row.patient not in recipe.held_out_outlines]
    return _soils(labelled, taught, outlines, recipe, folder / SOILS_FOLDER / f"{TRAIN}-{_key(recipe)}", tell, team)


def held_out_soils(
    rows: Sequence[ManifestRow],
    labelled: LabelledBrains,
    recipe: LoadRecipe,
    folder: Path,
    tell: Tell,
    team: Team = ALONE,
) -> list[LoadSoil]:
    """Return soils of the real patients held out, planted with the outlines held out.

    Raises `UserError` where the recipe holds out nobody of the manifest.
    """
    rows = [row for row in rows if row.split != "test"]
    kept = [row for row in rows if row.patient in recipe.held_out_patients and row.has(*CHANNELS, "brain")]
    outlines = [row for row in _outlines(rows) if row.patient in recipe.held_out_outlines]
    if not kept:
        raise UserError(
            "The manifest has none of the patients that the recipe holds out.",
            "Name patients of rows with images under held_out_patients in the recipe.",
        )
    as_they_are = replace(
        recipe,
        seed=recipe.seed + HELD_OUT_SEED,
        soils=replace(recipe.soils, plantings=recipe.judged_plantings, paintings=0, phantoms=0),
        grey=replace(recipe.grey, grey_chance=0.0),
    )
    into = folder / SOILS_FOLDER / f"{HELD_OUT}-{_key(as_they_are)}"
    return _soils(labelled, kept, outlines, as_they_are, into, tell, team)


def _soils(
    labelled: LabelledBrains,
    taught: Sequence[ManifestRow],
    outlines: Sequence[ManifestRow],
    recipe: LoadRecipe,
    folder: Path,
    tell: Tell,
    team: Team,
) -> list[LoadSoil]:
    """Return the soils of `taught`, each brain with random numbers of its own; what lies in `folder` is not redone.

    The brains are dealt to the processes of `team`. A file that cannot be read is made again.
    """
    source: list[LesionSource] = []

    def ready() -> LesionSource:
        if not source:
            source.append(lesion_source(list(labelled.by_case.values()), outlines))
        return source[0]

    makers = list(_makers(taught, labelled, recipe, ready))
    if not makers:
        return []
    folder = folder.with_name(f"{folder.name}-{_digest([*labelled.rows, *taught, *outlines])}")
    folder.mkdir(parents=True, exist_ok=True)
    ours: dict[str, list[LoadSoil]] = {}
    with team.all_or_none():
        for number, (name, make) in enumerate(makers):
            if team.deals_me(number):
                ours[name] = _kept(folder, name) or []
                if not ours[name]:
                    tell(f"planting lesions into {name}")
                    ours[name] = _keep(list(make()), folder, name)
    soils = []
    for name, _ in makers:
        soils += ours.get(name) or _kept(folder, name) or []
    return soils


def _keep(soils: list[LoadSoil], folder: Path, name: str) -> list[LoadSoil]:
    """Write the soils of a brain, their list last, and return them as they are read again."""
    for soil in soils:
        soil.save(folder / f"{soil.case}.npz")
    part = folder / f"{name}.part"
    part.write_text(json.dumps([soil.case for soil in soils]), encoding="utf-8")
    part.replace(folder / f"{name}.json")
    return [LoadSoil.load(folder / f"{soil.case}.npz") for soil in soils]


def _kept(folder: Path, name: str) -> list[LoadSoil] | None:
    """Return the soils of a brain, None where they are not all there and whole."""
    try:
        cases = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return [LoadSoil.load(folder / f"{case}.npz") for case in cases]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
        return None


def _makers(
    taught: Sequence[ManifestRow], labelled: LabelledBrains, recipe: LoadRecipe, ready: Ready
) -> Iterator[tuple[str, Callable[[], Iterator[LoadSoil]]]]:
    """Yield the name of every brain and what makes its soils, with random numbers of its own."""
    imaged = [row for row in taught if row.has(*CHANNELS, "brain")]
    anatomies = [row for row in taught if row.has("T1", "brain") and not row.has("FLAIR")]
    for number, row in enumerate(sorted(imaged, key=lambda row: row.case)):
        yield row.case, partial(_real, row, labelled, recipe, ready, _rng(recipe, 1, number))
    for number, row in enumerate(sorted(anatomies, key=lambda row: row.case)):
        if recipe.soils.paintings:
            yield row.case, partial(_painted, row, recipe, ready, _rng(recipe, 2, number))
    for number in range(recipe.soils.phantoms):
        yield f"phantom-{number}", partial(_phantom, number, recipe, ready, _rng(recipe, 3, number))


def _real(
    row: ManifestRow, labelled: LabelledBrains, recipe: LoadRecipe, ready: Ready, rng: np.random.Generator
) -> Iterator[LoadSoil]:
    source = ready()
    healed = healed_brain(labelled.by_case.get(row.case) or cached_brain(row, labelled.cache), source, rng)
    for number in range(recipe.soils.plantings):
        yield planted_soil(healed, f"{row.case}-{number}", source, recipe, rng)


def _painted(row: ManifestRow, recipe: LoadRecipe, ready: Ready, rng: np.random.Generator) -> Iterator[LoadSoil]:
    for healed in painted_brains(row, recipe, rng):
        yield planted_soil(healed, healed.brain.name, ready(), recipe, rng)


def _phantom(number: int, recipe: LoadRecipe, ready: Ready, rng: np.random.Generator) -> Iterator[LoadSoil]:
    healed = phantom_brain(number, ready())
    yield planted_soil(healed, healed.brain.name, ready(), recipe, rng)


def planted_soil(
    healed: HealedBrain, case: str, source: LesionSource, recipe: LoadRecipe, rng: np.random.Generator
) -> LoadSoil:
    """Plant the lesions of some real masks into a healed brain whose grey matter is a little brighter or darker."""
    brain = healed.brain
    low, high = recipe.soils.masks
    outline = np.zeros(brain.brain.shape, bool)
    for _ in range(int(rng.integers(low, high + 1))):
        mask = source.masks[int(rng.integers(len(source.masks)))]
        outline |= outline_on(brain, mask, healed.to_standard, random_motion(brain, rng))
    lesion = draw_lesions(outline, brain, source.library, recipe.planting, rng)
    channels = _other_grey(healed, lesion, recipe, rng)
    planted = plant(channels, brain, lesion, source.contrast, recipe.planting, rng)
    wanted = [CHANNELS.index(role) for role in recipe.roles]
    centre = brain_centre_ras(Volume(brain.brain.astype(np.uint8), brain.grid))
    box = load_grid(recipe.field, (recipe.spacing_mm,) * 3, centre)
    names = (case, brain.patient, healed.kind)
    return make_soil(names, channels[wanted], planted[wanted], lesion, brain.brain, brain.grid, box)


def _other_grey(healed: HealedBrain, lesion: BoolArray, recipe: LoadRecipe, rng: np.random.Generator) -> FloatArray:
    """Return the channels (3, D, H, W) with grey matter moved against white, as other sequences show it."""
    brain = healed.brain
    if healed.kind == "painted" or not (brain.tissue == GREY).any():
        return healed.channels
    grey = torch.from_numpy(tissue_shares(brain, lesion)[1].astype(np.float32)) / 255
    mask = torch.from_numpy(brain.brain.astype(np.float32))
    volume = TrainingVolume(torch.from_numpy(healed.channels), mask, mask * 0, mask * 0, grey)
    changed: FloatArray = change_grey_matter(volume, recipe.grey, rng).images.numpy()
    return changed


def _outlines(rows: Sequence[ManifestRow]) -> list[ManifestRow]:
    return sorted((row for row in rows if row.has("lesion") and not row.has("FLAIR")), key=lambda row: row.case)


def _rng(recipe: LoadRecipe, kind: int, number: int) -> np.random.Generator:
    return np.random.default_rng((recipe.seed, kind, number))


def _digest(rows: Sequence[ManifestRow]) -> str:
    """Return a name for the bytes of all files that are planted or planted in, and for what computes."""
    keys = sorted({key_of("soil", row, tuple(row.files), {"case": row.case}) for row in rows})
    return hashlib.sha256("".join(keys).encode()).hexdigest()[:12]


def _key(recipe: LoadRecipe) -> str:
    """Return a name for all settings that the soils depend on, so that another recipe makes its own."""
    names = ("roles", "spacing_mm", "field", "seed", "held_out_patients", "held_out_outlines", "soils", "planting",
             "grey", "synthesis")  # fmt: skip
    settings = {name: recipe.to_dict()[name] for name in names}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
