"""Which surface is asked for: `lesion`, `lesion+5mm`, `brain`, `brain+2mm` or `none`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from LesionLensLib.errors import UserError

Subject = Literal["lesion", "brain"]
_PATTERN = re.compile(r"(lesion|brain)(?:\+(\d+(?:\.\d+)?)mm)?")


@dataclass(frozen=True)
class SurfaceChoice:
    """The outside of the `subject`'s mask, or what lies `beyond_mm` outside of it."""

    subject: Subject
    beyond_mm: float = 0.0


def parse_surface(text: str) -> SurfaceChoice | None:
    """Return the surface a user named, None for `none`; raises `UserError` for other words."""
    if text == "none":
        return None
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise UserError(f"{text!r} names no surface.", "Use lesion, lesion+5mm (any number of mm), brain or none.")
    subject: Subject = "brain" if match[1] == "brain" else "lesion"
    return SurfaceChoice(subject, float(match[2] or 0))
