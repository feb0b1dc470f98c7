"""The input check: what is wrong with the images, in plain words, before any compute. Pure: numpy, scipy, SimpleITK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from LesionLensLib.inputs.channel_guess import suggest_role
from LesionLensLib.inputs.findings import Finding, raise_on_error

if TYPE_CHECKING:
    from LesionLensLib.inputs.check import check_inputs

__all__ = ["Finding", "check_inputs", "raise_on_error", "suggest_role"]


def __getattr__(name: str) -> Any:
    if name != "check_inputs":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from LesionLensLib.inputs.check import check_inputs  # brings scipy, which a panel that opens does not need

    return check_inputs
