"""What an occlusion map is asked for: which cubes, what stands in for them, which channels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from LesionLensLib.errors import UserError
from LesionLensLib.explain.occlusion.cubes import Mask
from LesionLensLib.jobs import FILLS


@dataclass(frozen=True, eq=False)
class OcclusionSettings:
    """Cubes of `size_mm`, one every `stride_mm` (None: they touch), over the `region` (D, H, W; None: everywhere).

    A size of at most the spacing means single voxels. `fill` is one of `FILLS`. `per_channel` asks for a map of each
    channel alone as well. Masks among the channels are left as they are unless `outlines`. `halvings` above 0 begins
    with cubes that many times doubled and cuts only those whose impact is at least `cut_from` of the largest.
    `plain` takes the reference loop, `batch` images at a time, where less would do.

    Raises `UserError` for values that cannot be.
    """

    size_mm: float = 8.0
    stride_mm: float | None = None
    fill: str = FILLS[0]
    per_channel: bool = False
    outlines: bool = False
    region: Mask | None = None
    halvings: int = 0
    cut_from: float = 0.1
    plain: bool = False
    batch: int | None = None

    def __post_init__(self) -> None:
        for length in (self.size_mm, self.stride_mm):
            if length is not None and not (math.isfinite(length) and length > 0):
                raise UserError(f"A cube cannot be {length} mm.", "Give a length above 0.")
        if self.fill not in FILLS:
            raise UserError(f"There is no fill {self.fill}.", f"Use one of: {', '.join(FILLS)}.")
        if self.halvings < 0 or not 0 <= self.cut_from <= 1:
            raise UserError(
                f"Cubes cannot be halved {self.halvings} times from {self.cut_from} of the largest impact.",
                "Give a number of halvings from 0 on, and a share between 0 and 1.",
            )
        if self.halvings and self.stride_mm is not None and self.stride_mm != self.size_mm:
            raise UserError("Cubes that overlap cannot be halved.", "Leave the stride out, or the halvings.")
