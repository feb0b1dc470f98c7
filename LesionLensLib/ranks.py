"""Ranks of values, for correlations that ask only which is larger.

`scipy.stats` has both functions, and takes 0.5 s to import: as long as reading and checking a case together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def mean_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Return the rank of each value (n,) from 1 on; equal ones share their mean rank."""
    _, place, counts = np.unique(np.asarray(values).ravel(), return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Return Spearman's correlation of two arrays of one size; NaN where one has a single value."""
    return float(np.corrcoef(mean_ranks(first), mean_ranks(second))[0, 1])
