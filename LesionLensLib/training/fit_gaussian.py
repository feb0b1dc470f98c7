"""Fit a Gaussian to a few cases with long vectors: shrinkage by Ledoit and Wolf (J. Multivariate Analysis 88, 2004)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.outcomes import Floats
from LesionLensLib.outcome.shrunk_gaussian import ShrunkGaussian

# Without any shrinkage a direction that no case took would be infinitely unlikely.
_LEAST_SHRINKAGE = 0.01
# A value that never varied (air is -1000 HU in every CT) may differ by this share of what the others vary.
_SMALLEST_SCALE = 0.1
_DIGITS = 6


def fit_gaussian(cases: ArrayLike) -> ShrunkGaussian:
    """Fit to `cases` `(n, p)`: every value in units of its own standard deviation, then the shrunk covariance.

    Raises `UserError` for fewer than three cases, values that are not finite, and cases that are all the same.
    """
    values = np.asarray(cases, dtype=np.float64)
    if values.ndim != 2 or len(values) < 3 or not np.isfinite(values).all():
        raise UserError("Typicality needs three cases or more with finite values.", "Give more training cases.")
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    overall = float(np.sqrt(np.mean(deviation**2)))
    if overall == 0:
        raise UserError("All training cases have the same values.", "Check that each case is read from its own files.")
    scale = np.maximum(deviation, _SMALLEST_SCALE * overall)
    z = (values - mean) / scale
    share = max(ledoit_wolf_shrinkage(z), _LEAST_SHRINKAGE)
    average = float(np.sum(z**2)) / z.size
    _, singular, axes = np.linalg.svd(z / np.sqrt(len(z)), full_matrices=False)
    taken = singular > 1e-10 * singular[0]
    along = (1 - share) * singular[taken] ** 2 + share * average
    return ShrunkGaussian(
        _rounded(mean), _rounded(scale), tuple(map(_rounded, axes[taken])), _rounded(along), share * average
    )


def ledoit_wolf_shrinkage(centred: Floats) -> float:
    """Return the share of the average variance that is mixed into the covariance of `centred` `(n, p)`, 0 to 1."""
    n, p = centred.shape
    squares = np.sum(centred**2, axis=1)
    average = float(squares.sum()) / (n * p)
    # The Gram matrix has the same sum of squares as the covariance and is small where p is large.
    spread = float(np.sum((centred @ centred.T) ** 2)) / n**2
    noise = (float(np.sum(squares**2)) / n - spread) / (n * p)
    distance = spread / p - average**2
    return 0.0 if noise <= 0 or distance <= 0 else min(noise / distance, 1.0)


def _rounded(values: Floats) -> tuple[float, ...]:
    """Round to six digits: the reference is carried as JSON."""
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values.tolist())
