"""What is measured on a metastasis: the three quantities on which its simulated fate depends."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from LesionLensLib.training.brain import FloatArray
from LesionLensLib.training.metastases.masks import LesionMasks

FEWEST_VOXELS = 12
"""A standard deviation of fewer voxels says nothing: such an oedema counts as none."""


@dataclass(frozen=True)
class Measures:
    """Volume of the lesion in ml, share of it that is necrotic, and how uneven the oedema is within the margin.

    `oedema_heterogeneity` is the standard deviation of FLAIR over the oedema in the margin, in units of the brain's
    contrast between white matter and fluid on FLAIR; 0 where there is no oedema.
    """

    volume_ml: float
    necrosis_share: float
    oedema_heterogeneity: float

    def to_dict(self) -> dict[str, float]:
        """Return plain numbers for JSON."""
        return asdict(self)


def measure(flair: FloatArray, masks: LesionMasks, flair_unit: float) -> Measures:
    """Measure a lesion on the FLAIR image (k, j, i) and its masks; raises `ValueError` for an empty lesion."""
    lesion_voxels = int(masks.lesion.sum())
    if lesion_voxels == 0:
        raise ValueError("a lesion without a voxel has no measures")
    seen = flair[masks.oedema & masks.margin].astype(np.float64)
    heterogeneity = seen.std() / flair_unit if seen.size >= FEWEST_VOXELS else 0.0
    return Measures(
        lesion_voxels * masks.grid.voxel_ml,
        float(masks.core.sum()) / lesion_voxels,
        float(heterogeneity),
    )
