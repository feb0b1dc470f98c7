"""Mahalanobis distance by a shrunk covariance, kept as its axes so that long vectors and few cases are no trouble."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.outcomes import Floats


@dataclass(frozen=True)
class ShrunkGaussian:
    """Mean and scale `(p,)`, then in units of scale: axes `(r, p)`, variance along them `(r,)` and across them.

    `across` is the variance in every direction that no training case has taken, which only shrinkage makes larger
    than 0.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    along: tuple[float, ...]
    across: float

    def distance(self, values: ArrayLike) -> float:
        """Return the Mahalanobis distance of `values` `(p,)`; raises `UserError` for another length."""
        x = np.asarray(values, dtype=np.float64)
        if x.shape != (len(self.mean),):
            raise UserError(
                f"The model's typicality is about {len(self.mean)} values, the case has {x.size}.",
                "Get the model again.",
            )
        z = self.standardized(x)
        projected = np.asarray(self.axes).reshape(len(self.along), x.size) @ z
        residual = max(float(z @ z - projected @ projected), 0.0)
        return math.sqrt(float(np.sum(projected**2 / np.asarray(self.along))) + residual / self.across)

    def standardized(self, values: ArrayLike) -> Floats:
        """Return (values - mean) / scale."""
        z: Floats = (np.asarray(values, dtype=np.float64) - np.asarray(self.mean)) / np.asarray(self.scale)
        return z

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ShrunkGaussian:
        """Read what `to_dict` wrote; raises `KeyError`, `TypeError` or `ValueError` for something else."""
        mean, scale, axes, along = (np.asarray(record[n], dtype=np.float64) for n in ("mean", "scale", "axes", "along"))
        across = float(record["across"])
        axes = axes.reshape(along.size, mean.size)
        finite = all(np.isfinite(part).all() for part in (mean, scale, axes, along, np.float64(across)))
        if not finite or scale.shape != mean.shape or min(scale.min(), along.min(), across) <= 0:
            raise ValueError("a mean, scale or variance cannot be")
        rows = tuple(tuple(row) for row in axes.tolist())
        return cls(tuple(mean.tolist()), tuple(scale.tolist()), rows, tuple(along.tolist()), across)
