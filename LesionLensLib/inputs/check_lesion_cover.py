"""Whether every channel shows the lesion: images may overlap and yet one of them end before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk

from LesionLensLib.geometry import Matrix, flip_lps_ras
from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.findings import Finding

# A prime: steps of a round number would fall on the same few columns of an image again and again.
_MOST_POINTS = 1999
_WORTH_SAYING = 0.98


def lesion_points(mask: Volume) -> Matrix:
    """Return RAS points (n, 3) of voxels that `mask` marks, evenly taken where there are very many."""
    marked = np.flatnonzero(mask.array)
    marked = marked[np.linspace(0, len(marked) - 1, min(len(marked), _MOST_POINTS)).astype(np.intp)]
    kji = np.stack(np.unravel_index(marked, mask.array.shape), axis=-1)
    return mask.grid.ras_from_ijk(kji[:, ::-1])


def check_lesion_cover(
    points_ras: Matrix,
    volumes: Mapping[str, Volume],
    reference: str,
    transforms: Mapping[str, sitk.Transform] | None = None,
) -> tuple[Finding, ...]:
    """Find channels beside `reference` that show less than half of the lesion's points (n, 3) (RAS, mm), or not all.

    Beyond an image's border a network would be told that there is no uptake, and answer all the same. `transforms` map
    points of the reference to points of a channel.
    """
    findings = []
    for role, volume in volumes.items():
        if role == reference:
            continue
        share = _inside(points_ras, volume, (transforms or {}).get(role))
        if share < 0.5:
            findings.append(
                Finding(
                    "error",
                    "lesion-not-covered",
                    f"{role} does not show the lesion: {100 * (1 - share):.0f} % of it lie outside.",
                    "Give images that cover the lesion, or a transform for this channel.",
                )
            )
        elif share < _WORTH_SAYING:
            findings.append(
                Finding(
                    "warning",
                    "lesion-partly-covered",
                    f"{100 * (1 - share):.0f} % of the lesion lie outside of {role}.",
                    "Take the probability with care.",
                )
            )
    return tuple(findings)


def _inside(points_ras: Matrix, volume: Volume, transform: sitk.Transform | None) -> float:
    if transform is not None:
        moved = [transform.TransformPoint(point) for point in flip_lps_ras(points_ras).tolist()]
        points_ras = flip_lps_ras(np.array(moved))
    ijk = volume.grid.ijk_from_ras(points_ras)
    return float(np.all((ijk >= -0.5) & (ijk <= np.array(volume.grid.size) - 0.5), axis=-1).mean())
