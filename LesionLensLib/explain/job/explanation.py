"""What a method gives, in one form for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.inputs import Finding

MapArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Explanation:
    """The map `values` (D, H, W) on the question's grid, and those of single channels by role.

    `name` is what the map is called, `unit` what its numbers are, `signed` whether they have two sides. `settings` and
    `told` go into the report, `sentence` before all people read.
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
