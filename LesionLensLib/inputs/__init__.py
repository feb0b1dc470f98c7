"""The input check: what is wrong with the images, in plain words, before any compute. Pure: numpy, scipy, SimpleITK."""

from LesionLensLib.inputs.channel_guess import suggest_role
from LesionLensLib.inputs.check import check_inputs
from LesionLensLib.inputs.findings import Finding, raise_on_error

__all__ = ["Finding", "check_inputs", "raise_on_error", "suggest_role"]
