"""Ranks and their correlation are those of scipy, whose import they save."""

import numpy as np
import pytest
from scipy import stats

from LesionLensLib.ranks import mean_ranks, rank_correlation


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_ranks_are_scipys_also_of_equal_values(dtype: type[np.generic]) -> None:
    values = np.random.default_rng(0).normal(0, 40, (50, 30)).astype(np.int16).astype(dtype)
    assert np.unique(values).size < values.size / 4
    assert np.array_equal(mean_ranks(values), stats.rankdata(values.ravel()))
    assert mean_ranks([]).size == 0


def test_the_correlation_is_spearmans() -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(0, 30, 4000)
    second = (first**2 + rng.normal(0, 200, 4000)).astype(np.float32)
    assert rank_correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    assert rank_correlation(first, -first) == pytest.approx(-1)
