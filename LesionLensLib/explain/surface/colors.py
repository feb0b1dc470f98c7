"""The colours of impacts, in one place: for point clouds, surfaces, slices and legends alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from LesionLensLib.resources import resource

SIGNED_TABLE = "coolwarm"
UNSIGNED_TABLE = "plasma"
Table = NDArray[np.float64]


@dataclass(frozen=True)
class ColorScale:
    """A colour table of `Resources/Colors` spread over the values from `low` to `high`; colours end there."""

    table_name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a colour scale must ascend, not run from {self.low} to {self.high}")

    @property
    def is_signed(self) -> bool:
        """Whether the colours tell positive from negative, with a neutral 0 in the middle."""
        return self.table_name == SIGNED_TABLE

    def rgb(self, values: ArrayLike) -> NDArray[np.uint8]:
        """Return the colours (..., 3) of values (...), between the entries of the table in proportion."""
        table = color_table(self.table_name) * 255
        place = (np.asarray(values, dtype=np.float64) - self.low) * ((len(table) - 1) / (self.high - self.low))
        entries = np.arange(len(table))
        channels = [np.interp(place, entries, table[:, channel]) for channel in range(3)]
        return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def scale_of(values: ArrayLike, signed: bool | None = None) -> ColorScale:
    """Return the scale that holds all `values`: from -m to m for a signed map, else from 0 to m, the largest of them.

    Without `signed`, a map with any negative value is signed. A map of zeros gets a scale up to 1. Raises `ValueError`
    for values that are not finite, or negative where `signed` is False.
    """
    values = np.asarray(values)
    lowest, highest = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not np.isfinite([lowest, highest]).all():
        raise ValueError("a map must be finite everywhere")
    signed = lowest < 0 if signed is None else signed
    if lowest < 0 and not signed:
        raise ValueError("a map with negative values needs a signed scale")
    limit = max(-lowest, highest) or 1.0
    return ColorScale(SIGNED_TABLE, -limit, limit) if signed else ColorScale(UNSIGNED_TABLE, 0.0, limit)


@cache
def color_table(name: str) -> Table:
    """Return the colours (entries, 3) from 0 to 1 of `Resources/Colors/<name>.csv`, that of the lowest value first."""
    table: Table = np.loadtxt(resource("Colors", f"{name}.csv"), delimiter=",", skiprows=1)
    table.setflags(write=False)
    return table
