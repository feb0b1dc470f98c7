"""Whether the voxels hold a picture at all: numbers, more than one of them, and a different picture in each role."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.findings import Finding


def check_values(volumes: Mapping[str, Volume]) -> tuple[Finding, ...]:
    """Find images with NaN or infinite voxels, images of one or two values, and one image given for two roles."""
    findings = []
    for role, volume in volumes.items():
        broken = 0
        if volume.array.dtype.kind == "f":
            broken = volume.array.size - int(np.isfinite(volume.array).sum())
        if broken:
            findings.append(
                Finding(
                    "error",
                    "not-finite",
                    f"{role} has {broken} voxels that are not numbers (NaN or infinite).",
                    f"Replace them by 0 or export {role} again.",
                )
            )
        elif volume.array.min() == volume.array.max():
            findings.append(
                Finding(
                    "error",
                    "constant",
                    f"{role} is empty: every voxel is {volume.array.flat[0]:g}.",
                    f"Give the {role} image itself.",
                )
            )
        elif _is_mask(volume):
            findings.append(
                Finding(
                    "error",
                    "mask-not-image",
                    f"{role} holds two values only: it is a mask, not an image.",
                    f"Give the {role} image itself.",
                )
            )
    for (role, volume), (other, second) in combinations(volumes.items(), 2):
        if volume.array.shape == second.array.shape and np.array_equal(volume.array, second.array):
            findings.append(
                Finding(
                    "error",
                    "same-image",
                    f"{role} and {other} are the same image.",
                    "Give each channel its own image.",
                )
            )
    return tuple(findings)


def _is_mask(volume: Volume) -> bool:
    low, high = volume.array.min(), volume.array.max()
    return not np.any((volume.array > low) & (volume.array < high))
