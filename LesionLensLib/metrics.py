"""How good a segmentation is: overlap as RSANet's paper reports it, lesion detection, and intervals by bootstrap.

Zhang et al. (MICCAI 2019) average in two ways: over patients ("sample"), and over all voxels of all patients pooled
("voxel"). A patient without any lesion has no Dice and is left out of the sample average, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

TOUCHING_26 = ndimage.generate_binary_structure(3, 3)
BLOCK_MM = 16.0

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval and the number of patients behind it; NaN where it is not defined."""

    value: float
    low: float
    high: float
    patients: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return JSON values; an undefined number is `None`, since JSON has no NaN."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {**{k: None if np.isnan(v) else round(v, 4) for k, v in numbers.items()}, "patients": self.patients}


def dice(counts: Counts) -> float:
    """Return 2 TP / (2 TP + FP + FN) of counts `(..., 3)` of true positive, false positive and false negative."""
    tp, fp, fn = counts.reshape(-1, 3).sum(axis=0)
    return float(2 * tp / (2 * tp + fp + fn)) if tp + fp + fn > 0 else float("nan")


def iou(counts: Counts) -> float:
    """Return TP / (TP + FP + FN); for one evaluation it equals D / (2 - D)."""
    tp, fp, fn = counts.reshape(-1, 3).sum(axis=0)
    return float(tp / (tp + fp + fn)) if tp + fp + fn > 0 else float("nan")


def block_counts(
    found: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: Sequence[float], block_mm: float = BLOCK_MM
) -> Counts:
    """Return `(blocks, 3)` counts of TP, FP, FN in cubes of `block_mm`, leaving out cubes with nothing in them.

    `found` and `truth` are `(k, j, i)`, `spacing_mm` is (i, j, k). The cubes are what the bootstrap draws within one
    patient: voxels of one lesion stand together, so drawing single voxels would make intervals far too narrow.
    """
    edges = [max(1, round(block_mm / s)) for s in tuple(spacing_mm)[::-1]]
    index = np.zeros(found.shape, np.int64)
    for axis, edge in enumerate(edges):
        number = np.arange(found.shape[axis]) // edge
        shape = [1, 1, 1]
        shape[axis] = -1
        index = index * (int(number[-1]) + 1) + number.reshape(shape)
    size = int(index.max()) + 1
    parts = (found & truth, found & ~truth, ~found & truth)
    counts = np.stack([np.bincount(index[part], minlength=size) for part in parts], axis=1).astype(np.float64)
    kept: Counts = counts[counts.sum(axis=1) > 0]
    return kept


def sample_average(patients: Sequence[Counts], score: Callable[[Counts], float]) -> float:
    """Return the mean over patients of `score`, without the patients for which it is undefined."""
    scores = [score(counts) for counts in patients]
    defined = [s for s in scores if not np.isnan(s)]
    return float(np.mean(defined)) if defined else float("nan")


def voxel_average(patients: Sequence[Counts], score: Callable[[Counts], float]) -> float:
    """Return `score` of the voxels of all patients pooled."""
    return score(np.concatenate([counts.reshape(-1, 3) for counts in patients]))


def estimate(
    patients: Sequence[Counts], statistic: Callable[[Sequence[Counts]], float], repeats: int = 1000, seed: int = 0
) -> Estimate:
    """Return `statistic` of the patients with a 95 % percentile interval from a two-stage bootstrap.

    Patients are drawn with replacement, then cubes within each. With a single patient only the second stage varies:
    the interval then says how sure the figure is for that patient, not for patients in general.
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        drawn = [patients[int(n)] for n in rng.integers(len(patients), size=len(patients))]
        values.append(statistic([c[rng.integers(len(c), size=len(c))] if len(c) else c for c in drawn]))
    defined = np.array(values)[~np.isnan(values)]
    low, high = np.percentile(defined, (2.5, 97.5)) if len(defined) else (float("nan"), float("nan"))
    return Estimate(statistic(patients), float(low), float(high), len(patients))


@dataclass(frozen=True)
class Detection:
    """Lesions found and missed: 26-connected lesions count as found when at least one voxel is."""

    true_lesions: int
    hit_lesions: int
    found_lesions: int
    confirmed_lesions: int

    @property
    def sensitivity(self) -> float:
        """The share of true lesions that were hit; NaN without true lesions."""
        return self.hit_lesions / self.true_lesions if self.true_lesions else float("nan")

    @property
    def precision(self) -> float:
        """The share of found lesions that touch a true one; NaN when nothing was found."""
        return self.confirmed_lesions / self.found_lesions if self.found_lesions else float("nan")


def detect(found: NDArray[np.bool_], truth: NDArray[np.bool_], smallest_voxels: int = 3) -> Detection:
    """Compare lesions of at least `smallest_voxels` voxels as objects; masks are `(k, j, i)`."""
    true_count, hit = _touching(truth, found, smallest_voxels)
    found_count, confirmed = _touching(found, truth, smallest_voxels)
    return Detection(true_count, hit, found_count, confirmed)


def _touching(objects: NDArray[np.bool_], other: NDArray[np.bool_], smallest_voxels: int) -> tuple[int, int]:
    labels, count = ndimage.label(objects, TOUCHING_26)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    hits = np.bincount(labels[other], minlength=count + 1)[1:] > 0
    large = sizes >= smallest_voxels
    return int(large.sum()), int((large & hits).sum())
