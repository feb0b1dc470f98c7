"""What a method gives, in one form for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.explain.validity.similarity import MakeMap
from LesionLensLib.inputs import Finding

MapArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Explanation:
    """The map `values` (D, H, W) on the question's grid, and those of single channels by role.

    `name` is what the map is called, `unit` what its numbers are, `signed` whether they have two sides. `settings` and
    `told` go into the report, `sentence` before all people read. `make_map` makes the same map of another question,
    None where it cannot be checked so; `variants` are maps of the same question by other choices, by name. Where a map
    is dear, both give only the values (n,) at the places `sample` (D, H, W), of which `sample_of` says how many cubes
    there are in all.
    """

    values: MapArray
    name: str
    unit: str
    signed: bool
    sentence: str
    by_role: Mapping[str, MapArray] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    make_map: MakeMap | None = None
    variants: Mapping[str, MapArray] = field(default_factory=dict)
    sample: NDArray[np.bool_] | None = None
    sample_of: int = 0

    def sampled(self) -> MapArray:
        """Return what `make_map` and `variants` are compared with: the map, or its values (n,) at the sample."""
        return self.values if self.sample is None else self.values[self.sample]
