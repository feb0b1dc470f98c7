"""Whether the images can be laid on each other and were scanned finely enough for the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from LesionLensLib.geometry import flip_lps_ras
from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.expectations import CardLike
from LesionLensLib.inputs.findings import Finding

if TYPE_CHECKING:  # the panels check geometry too, and must not wait for SimpleITK to load
    import SimpleITK as sitk

_NO_OVERLAP = 0.05
_LITTLE_OVERLAP = 0.5
_FAR_OUTSIDE = 2.0
_SAMPLES = 12


def check_overlap(
    volumes: Mapping[str, Volume], reference: str, transforms: Mapping[str, sitk.Transform] | None = None
) -> tuple[Finding, ...]:
    """Find channels whose box covers little or nothing of the reference channel's box."""
    findings = []
    for role, volume in volumes.items():
        share = _covered(volumes[reference], volume, (transforms or {}).get(role))
        if role == reference or share >= _LITTLE_OVERLAP:
            continue
        if share < _NO_OVERLAP:
            findings.append(
                Finding(
                    "error",
                    "no-overlap",
                    f"{role} and {reference} do not overlap in space.",
                    "Check that both come from one examination, or give a transform for this channel.",
                )
            )
        else:
            findings.append(
                Finding(
                    "warning",
                    "little-overlap",
                    f"{role} covers only {100 * share:.0f} % of {reference}.",
                    "Lesions outside of it will be missed.",
                )
            )
    return tuple(findings)


def _covered(reference: Volume, volume: Volume, transform: sitk.Transform | None) -> float:
    """Return the share of the reference's box that lies inside the other's, or of the other's in it if that is more.

    A thin slab inside a large volume, and a small volume inside a large reference, both lie where they should.
    """
    if transform is None:
        return max(reference.grid.overlap_fraction(volume.grid), volume.grid.overlap_fraction(reference.grid))
    axes = [(np.arange(_SAMPLES) + 0.5) / _SAMPLES * n - 0.5 for n in reference.grid.size]
    ijk = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points = flip_lps_ras(reference.grid.ras_from_ijk(ijk))
    moved = flip_lps_ras([transform.TransformPoint(point) for point in points.tolist()])
    inside = volume.grid.ijk_from_ras(moved)
    return float(np.all((inside >= -0.5) & (inside <= np.array(volume.grid.size) - 0.5), axis=1).mean())


def check_spacing(volumes: Mapping[str, Volume], card: CardLike) -> tuple[Finding, ...]:
    """Find images with voxels finer or coarser than the model was made for; far coarser ones are errors."""
    finest, coarsest = card.spacing_range_mm
    findings = []
    for role, volume in volumes.items():
        spacing = volume.grid.spacing_mm
        shown = " x ".join(f"{s:.2g}" for s in spacing)
        if max(spacing) > _FAR_OUTSIDE * coarsest:
            findings.append(
                Finding(
                    "error",
                    "spacing-too-coarse",
                    f"The voxels of {role} ({shown} mm) are far coarser than the model's limit of {coarsest:g} mm.",
                    "Use the original images, not thumbnails or scouts.",
                )
            )
        elif max(spacing) > coarsest or min(spacing) < finest:
            findings.append(
                Finding(
                    "warning",
                    "spacing-outside-range",
                    f"The voxels of {role} ({shown} mm) lie outside the model's {finest:g} to {coarsest:g} mm.",
                    "Read the result with care.",
                )
            )
    return tuple(findings)
