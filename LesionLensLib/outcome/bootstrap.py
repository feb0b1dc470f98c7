"""Intervals by drawing patients with replacement; the cases of a patient stay together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.figure import LEVEL
from LesionLensLib.outcome.outcomes import Indices

REPEATS = 2000
_FEWEST_DRAWS = 100


def draws(groups: Sequence[Indices], repeats: int = REPEATS, seed: int = 0) -> Iterator[Indices]:
    """Yield `repeats` index arrays of cases, each of as many patients as there are, drawn with replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        yield np.concatenate([groups[int(n)] for n in rng.integers(len(groups), size=len(groups))])


def bootstrap_interval(
    groups: Sequence[Indices], statistic: Callable[[Indices], float | None], repeats: int = REPEATS, seed: int = 0
) -> tuple[float | None, float | None]:
    """Return the 95 % percentile interval of `statistic`, a function of the drawn cases.

    Draws in which the statistic is not defined (no positive patient drawn) are left out; where that leaves fewer than
    100, the interval is not defined either. Raises `UserError` for fewer than 100 repeats.
    """
    if repeats < _FEWEST_DRAWS:
        raise UserError(f"Fewer than {_FEWEST_DRAWS} draws give no 95 % interval.", "Ask for 1000 draws or more.")
    values = [value for index in draws(groups, repeats, seed) if (value := statistic(index)) is not None]
    if len(values) < _FEWEST_DRAWS:
        return None, None
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)
