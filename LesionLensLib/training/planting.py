"""Plant lesions with real shapes and real contrast into a lesion-free brain, with an exactly known outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from LesionLensLib.training.brain import CSF, GREY, WHITE, BoolArray, Brain, FloatArray
from LesionLensLib.training.healing import local_white_matter
from LesionLensLib.training.lesion_library import TOUCHING_26, LesionContrast, ScatteredLesion, tissue_unit


@dataclass(frozen=True)
class PlantingRange:
    """Between which limits a simulated patient is drawn; each pair is (low, high) of a uniform distribution.

    The factors multiply the contrast measured on real lesions. They reach well below 1 because the measured patient
    has severe disease, and faint lesions are the ones that readers and networks miss.
    """

    keep_share: tuple[float, float] = (0.25, 1.0)
    scattered: tuple[int, int] = (0, 25)
    t1_factor: tuple[float, float] = (0.0, 1.3)
    t2_factor: tuple[float, float] = (0.4, 1.3)
    flair_factor: tuple[float, float] = (0.7, 1.5)
    edge_mm: tuple[float, float] = (0.3, 0.9)
    cavity_chance: float = 0.15
    decoys: tuple[int, int] = (0, 8)


def draw_lesions(
    outline: BoolArray,
    brain: Brain,
    scattered: Sequence[ScatteredLesion],
    limits: PlantingRange,
    rng: np.random.Generator,
) -> BoolArray:
    """Return a lesion mask (D, H, W): some lesions of `outline`, a real mask on this grid, and scattered small ones.

    Lesions are kept out of cerebrospinal fluid.
    """
    allowed = brain.brain & (brain.tissue != CSF)
    lesion = _choose(outline & allowed, limits, rng)
    lesion |= _scatter(allowed & (brain.tissue == WHITE), scattered, limits, rng) & allowed
    closed: BoolArray = ndimage.binary_closing(lesion) & allowed | lesion
    return closed


def plant(
    healed: FloatArray,
    brain: Brain,
    lesion: BoolArray,
    contrast: LesionContrast,
    limits: PlantingRange,
    rng: np.random.Generator,
) -> FloatArray:
    """Return `healed` (C, D, H, W) in scanner units with lesions where `lesion` (D, H, W) says.

    Each has its own contrast in the three channels together, drawn from one real lesion and scaled by factors of the
    whole simulated patient, a soft edge (partial volume), an uneven inside, and now and then a cavity that is dark on
    FLAIR. Decoys that are bright on FLAIR alone stay unlabelled.
    """
    white = local_white_matter(healed, brain.tissue == WHITE)
    unit = tissue_unit(healed, brain)
    delta = _contrast_field(lesion, contrast, limits, rng)
    alpha = _soft(lesion, rng.uniform(*limits.edge_mm))
    residual = healed - white
    target = white + delta * unit + 0.6 * residual * (brain.tissue == WHITE)
    channels = healed + alpha * (target - healed)
    channels = np.where(healed > 0, np.maximum(channels, 0.02 * unit), channels)
    channels[2] += _decoys(lesion, brain, limits, rng) * unit[2]
    planted: FloatArray = channels.astype(np.float32)
    return planted


def _choose(outline: BoolArray, limits: PlantingRange, rng: np.random.Generator) -> BoolArray:
    """Keep a random share of the lesions of a real mask, so that light and heavy disease both occur."""
    labels, count = ndimage.label(outline, TOUCHING_26)
    keep = np.zeros(count + 1, bool)
    keep[1:] = rng.random(count) < rng.uniform(*limits.keep_share)
    chosen: BoolArray = keep[labels]
    return chosen


def _scatter(
    where: BoolArray, library: Sequence[ScatteredLesion], limits: PlantingRange, rng: np.random.Generator
) -> BoolArray:
    """Place small lesions at random spots of `where`, turned and mirrored, so that place alone never decides."""
    out = np.zeros(where.shape, bool)
    spots = np.argwhere(where)
    for _ in range(int(rng.integers(*limits.scattered, endpoint=True))):
        shape = library[int(rng.integers(len(library)))].shape
        shape = np.transpose(shape, rng.permutation(3))[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        lower = spots[int(rng.integers(len(spots)))] - np.array(shape.shape) // 2
        if np.any(lower < 0) or np.any(lower + shape.shape > np.array(where.shape)):
            continue
        out[tuple(slice(a, a + n) for a, n in zip(lower, shape.shape, strict=True))] |= shape
    return out


def _contrast_field(
    lesion: BoolArray, contrast: LesionContrast, limits: PlantingRange, rng: np.random.Generator
) -> FloatArray:
    """Return the contrast `(C, D, H, W)` around every lesion, in tissue units: its own level, uneven inside."""
    labels, count = ndimage.label(lesion, TOUCHING_26)
    factor = np.array([rng.uniform(*r) for r in (limits.t1_factor, limits.t2_factor, limits.flair_factor)])
    level = np.zeros((3, count + 1), np.float32)
    spread = np.zeros((3, count + 1), np.float32)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    for number in range(1, count + 1):
        mean, sd = contrast.draw(int(sizes[number]), rng)
        level[:, number] = mean * factor * rng.uniform(0.8, 1.2)
        spread[:, number] = sd * factor
    uneven = ndimage.gaussian_filter(rng.normal(size=lesion.shape), 1.2).astype(np.float32)
    uneven /= uneven.std()
    # Outside the lesion the field continues with the nearest lesion's value, so that soft edges blend the right level.
    nearest = ndimage.distance_transform_edt(~lesion, return_distances=False, return_indices=True)
    near = labels[tuple(nearest)] if count else labels
    field = level[:, near] + spread[:, near] * uneven
    if rng.random() < limits.cavity_chance:
        depth = ndimage.distance_transform_edt(lesion)
        cavity = ndimage.gaussian_filter((depth > rng.uniform(2.5, 4)).astype(np.float32), 0.7)
        field[2] -= cavity * rng.uniform(0.3, 1.0)
    typed: FloatArray = field.astype(np.float32)
    return typed


def _soft(lesion: BoolArray, edge_mm: float) -> FloatArray:
    """Blur the outline by partial volume without letting small lesions fade away."""
    blurred = ndimage.gaussian_filter(lesion.astype(np.float32), edge_mm)
    peak = ndimage.maximum_filter(blurred, 3)
    alpha: FloatArray = (np.clip(blurred / np.maximum(peak, 1e-3) ** 0.7, 0, 1) * (peak > 0.02)).astype(np.float32)
    return alpha


def _decoys(lesion: BoolArray, brain: Brain, limits: PlantingRange, rng: np.random.Generator) -> FloatArray:
    """Draw short bright streaks at the edge of fluid and cortex: flow and motion artefacts seen on FLAIR alone."""
    out = np.zeros(lesion.shape, np.float32)
    spots = np.argwhere(np.isin(brain.tissue, (CSF, GREY)) & ~lesion)
    for _ in range(int(rng.integers(*limits.decoys, endpoint=True))):
        out[tuple(spots[int(rng.integers(len(spots)))])] = 1.0
    if not out.any():
        return out
    out = ndimage.gaussian_filter(out, rng.uniform(0.8, 2.0, 3)).astype(np.float32)
    out *= rng.uniform(0.2, 0.6) / out.max()
    kept: FloatArray = np.where(ndimage.binary_dilation(lesion, iterations=2), 0, out).astype(np.float32)
    return kept
