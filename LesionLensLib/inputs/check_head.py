"""Whether the images show the same head, and whether the skull is there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.expectations import CardLike
from LesionLensLib.inputs.findings import Finding
from LesionLensLib.inputs.preview import Preview

# An adult brain with its fluid stays below 1.9 litres, a head in a brain scan is above 2.4 litres.
_LARGEST_BRAIN_ML = 1900.0
_APART = 0.6


def check_skull(preview: Preview, card: CardLike, has_brain_mask: bool) -> tuple[Finding, ...]:
    """Say whether a skull is seen where the model expects none, or how the brain will be found."""
    foreground_ml = float(preview.head.sum()) * preview.grid.voxel_ml
    if has_brain_mask or foreground_ml <= _LARGEST_BRAIN_ML:
        return ()
    if card.expects_skull_stripped:
        return (
            Finding(
                "error",
                "skull-present",
                "The images show the whole head, but the model expects the brain alone.",
                "Give a brain mask, or images with the skull removed.",
            ),
        )
    return (Finding("info", "brain-mask-estimated", "No brain mask was given; the brain is found automatically."),)


def check_same_place(preview: Preview, reference: str) -> tuple[Finding, ...]:
    """Find channels whose head lies elsewhere than the reference's although the boxes overlap."""
    base = preview.own_head[reference]
    findings = []
    for role, head in preview.own_head.items():
        shared = 2.0 * float((base & head).sum()) / max(float(base.sum() + head.sum()), 1.0)
        if shared < _APART:
            findings.append(
                Finding(
                    "warning",
                    "heads-apart",
                    f"The heads in {role} and {reference} lie in different places (overlap {100 * shared:.0f} %).",
                    "Register the channels, or give a transform.",
                )
            )
    return tuple(findings)


def check_brain_mask(mask: Volume, volumes: Mapping[str, Volume], reference: str) -> tuple[Finding, ...]:
    """Find a brain mask that is empty or lies outside the reference image."""
    if not np.any(mask.array):
        return (Finding("error", "brain-mask-empty", "The brain mask is empty.", "Give a mask of the brain."),)
    binary = Volume((mask.array != 0).astype(np.uint8), mask.grid)
    inside = resample(binary, volumes[reference].grid, "nearest").array
    covered_ml = float(inside.sum()) * volumes[reference].grid.voxel_ml
    if covered_ml < 0.5 * float(binary.array.sum()) * mask.grid.voxel_ml:
        return (
            Finding(
                "error",
                "brain-mask-elsewhere",
                f"The brain mask lies for the most part outside {reference}.",
                f"Give a mask made on {reference} or on an image of the same examination.",
            ),
        )
    return ()
