"""From tissue to picture: the three contrasts, partial volume, bias field and Rician noise.

The brightness of each tissue is relative to white matter, measured on clinical 3 T images of the public Ljubljana data
(Lesjak et al., 2016 and 2017): medians of white and grey matter, fluid and lesions in T1, T2 and FLAIR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.phantom.anatomy import Anatomy, Tissue
from LesionLensLib.phantom.shapes import Field, smooth_noise

_BLUR_MM = 0.45
_TEXTURE = 0.025


@dataclass(frozen=True)
class Contrast:
    """Brightness relative to white matter by tissue, the level of white matter, and how rough the picture is."""

    description: str
    white_level: float
    relative: dict[Tissue, float]
    lesion: float
    noise: float
    bias: float


CONTRASTS = {
    "T1": Contrast(
        "T1 weighted, simulated",
        440.0,
        {
            Tissue.SKIN: 0.75, Tissue.FAT: 1.45, Tissue.MUSCLE: 0.55, Tissue.BONE: 0.12, Tissue.MARROW: 0.70,
            Tissue.CSF: 0.33, Tissue.GREY: 0.74, Tissue.DEEP_GREY: 0.84, Tissue.WHITE: 1.0, Tissue.VITREOUS: 0.33,
        },
        lesion=0.72, noise=0.022, bias=0.09,
    ),
    "T2": Contrast(
        "T2 weighted, simulated",
        345.0,
        {
            Tissue.SKIN: 0.55, Tissue.FAT: 1.15, Tissue.MUSCLE: 0.45, Tissue.BONE: 0.10, Tissue.MARROW: 0.55,
            Tissue.CSF: 3.05, Tissue.GREY: 1.42, Tissue.DEEP_GREY: 1.20, Tissue.WHITE: 1.0, Tissue.VITREOUS: 3.1,
        },
        lesion=1.95, noise=0.035, bias=0.08,
    ),
    "FLAIR": Contrast(
        "T2 FLAIR, simulated",
        270.0,
        {
            Tissue.SKIN: 0.45, Tissue.FAT: 0.62, Tissue.MUSCLE: 0.38, Tissue.BONE: 0.07, Tissue.MARROW: 0.30,
            Tissue.CSF: 0.24, Tissue.GREY: 1.26, Tissue.DEEP_GREY: 1.14, Tissue.WHITE: 1.0, Tissue.VITREOUS: 0.25,
        },
        lesion=1.58, noise=0.032, bias=0.10,
    ),
}  # fmt: skip


def draw_channel(
    role: str, anatomy: Anatomy, lesion: Field, grid: Grid, rng: np.random.Generator, noise: float
) -> Volume:
    """Return the image of one contrast on `grid` as int16; `lesion` is the share of lesion (0 to about 1) by voxel.

    `noise` multiplies the contrast's own noise level.
    """
    contrast = CONTRASTS[role]
    clean = _signal(contrast, anatomy, lesion, rng)
    seen = sampled(clean, anatomy.grid, grid, _BLUR_MM)
    field = np.exp(contrast.bias * smooth_noise(grid.shape, grid.size[0] / 5.0, rng))
    sigma = contrast.noise * noise
    image = np.hypot(
        seen * field + sigma * rng.standard_normal(grid.shape, dtype=np.float32),
        sigma * rng.standard_normal(grid.shape, dtype=np.float32),
    )
    values = np.clip(np.round(contrast.white_level * image), 0, 32767).astype(np.int16)
    return Volume(values, grid, {"SeriesDescription": contrast.description, "Modality": "MR"})


def _signal(contrast: Contrast, anatomy: Anatomy, lesion: Field, rng: np.random.Generator) -> Field:
    table = np.array([contrast.relative.get(tissue, 0.0) for tissue in Tissue], dtype=np.float32)
    signal = table[anatomy.tissue]
    spacing_mm = anatomy.grid.spacing_mm[0]
    brain = anatomy.brain
    signal[brain] *= 1 + _TEXTURE * smooth_noise(anatomy.grid.shape, 1.5 / spacing_mm, rng)[brain]
    touched = lesion > 0
    signal[touched] += lesion[touched] * (contrast.lesion - signal[touched])
    return signal


def sampled(signal: Field, source: Grid, target: Grid, blur_mm: float) -> Field:
    """Blur by the scanner's point spread (its deviation in mm), then average over the thickness of the slices."""
    image = Volume(signal, source).to_sitk()
    width = max(8, int(np.ceil(8 * blur_mm / source.spacing_mm[0])))
    blurred = sitk.DiscreteGaussian(image, blur_mm**2, width, 0.01, True)
    layers = max(1, round(target.spacing_mm[2] / max(1.0, source.spacing_mm[0])))
    i_mm, j_mm, k_mm = target.spacing_mm
    thin = Grid(
        (target.size[0], target.size[1], target.size[2] * layers),
        (i_mm, j_mm, k_mm / layers),
        tuple((target.ijk_to_lps @ np.array([0, 0, 0.5 / layers - 0.5, 1.0]))[:3]),
        target.direction_lps,
    )
    fine = resample(Volume.from_sitk(blurred), thin).array
    averaged: Field = fine.reshape(target.size[2], layers, *fine.shape[1:]).mean(axis=1, dtype=np.float32)
    return averaged
