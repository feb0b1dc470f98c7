"""Put the thigh together: two legs and a tumour, FDG-PET and CT on grids of their own, and the truth.

Levels are medians of the public Soft-tissue-Sarcoma collection (Vallieres et al., 2015) and of text books of CT.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.phantom.contrast import sampled
from LesionLensLib.phantom.files import write_volumes
from LesionLensLib.phantom.shapes import Field, Triple, scan_grid, smooth_noise
from LesionLensLib.phantom.thigh_anatomy import ThighAnatomy, ThighTissue, build_thighs

ROLES = ("PET", "CT")
_AIR_HU = -1000.0
_HU = {
    ThighTissue.AIR: _AIR_HU, ThighTissue.SKIN: 15.0, ThighTissue.FAT: -108.0, ThighTissue.MUSCLE: 56.0,
    ThighTissue.CORTEX: 1350.0, ThighTissue.MARROW: -25.0, ThighTissue.VESSEL: 44.0, ThighTissue.NERVE: 30.0,
    ThighTissue.TUMOUR: 38.0, ThighTissue.NECROSIS: 20.0,
}  # fmt: skip
_SUV = {
    ThighTissue.AIR: 0.0, ThighTissue.SKIN: 0.45, ThighTissue.FAT: 0.25, ThighTissue.MUSCLE: 0.68,
    ThighTissue.CORTEX: 0.3, ThighTissue.MARROW: 0.45, ThighTissue.VESSEL: 1.4, ThighTissue.NERVE: 0.5,
    ThighTissue.NECROSIS: 1.2,
}  # fmt: skip
_CT_BLUR_MM, _CT_NOISE_HU = 0.6, 11.0
_FWHM_PER_DEVIATION = 2.3548
_PET_BLUR_MM, _PET_NOISE = 6.0 / _FWHM_PER_DEVIATION, 0.09
_ANGLES_DEG: dict[str, Triple] = {"PET": (2.0, -1.5, 3.0), "CT": (2.5, -1.0, 4.0)}
# Rows to the left, columns to the back as in DICOM; the slices of the PET run from head to feet: left-handed.
_AXES_RAS = {"PET": np.diag([-1.0, -1.0, -1.0]), "CT": np.diag([-1.0, -1.0, 1.0])}
_EXTENT_MM: dict[str, Triple] = {"PET": (420.0, 284.0, 248.0), "CT": (400.0, 264.0, 240.0)}
_SPACING_MM: dict[str, Triple] = {"PET": (4.5, 4.5, 4.0), "CT": (1.2, 1.2, 3.0)}
_SMALL_SPACING_MM: dict[str, Triple] = {"PET": (6.0, 6.0, 6.0), "CT": (5.0, 5.0, 5.0)}


@dataclass(frozen=True)
class ThighPhantom:
    """PET (SUV by body weight, float32) and CT (HU, int16) on their own grids; `lesion` (uint8) lies on that of CT."""

    PET: Volume
    CT: Volume
    lesion: Volume

    @property
    def channels(self) -> dict[str, Volume]:
        """The two images by role."""
        return {role: getattr(self, role) for role in ROLES}


def make_thigh_phantom(seed: int = 0, small: bool = False) -> ThighPhantom:
    """Make the thighs of `seed`, one of them with a sarcoma of 5 to 12 cm: the same seed gives the same voxels.

    CT has 1.2 x 1.2 x 3 mm, PET 4.5 x 4.5 x 4 mm; both are tilted, and the PET is left-handed. `small` makes about 64
    voxels a side, for tests.
    """
    rng = np.random.default_rng(seed)
    spacing_mm = _SMALL_SPACING_MM if small else _SPACING_MM
    anatomy = build_thighs(4.0 if small else 1.5, rng)
    grids = {role: _scan_grid(role, spacing_mm[role]) for role in ROLES}
    ill = np.isin(anatomy.tissue, (ThighTissue.TUMOUR, ThighTissue.NECROSIS))
    share = resample(Volume(ill.astype(np.float32), anatomy.grid), grids["CT"]).array
    return ThighPhantom(
        PET=_draw_pet(anatomy, grids["PET"], rng),
        CT=_draw_ct(anatomy, grids["CT"], rng),
        lesion=Volume((share > 0.5).astype(np.uint8), grids["CT"]),
    )


def write_thigh_phantom(folder: str | Path, seed: int = 0, small: bool = False) -> dict[str, Path]:
    """Write `PET`, `CT` and `lesion` as `.nii.gz` into `folder` and return the paths."""
    return write_volumes(vars(make_thigh_phantom(seed, small)), Path(folder))


def _scan_grid(role: str, spacing_mm: Triple) -> Grid:
    turn = Rotation.from_euler("xyz", _ANGLES_DEG[role], degrees=True).as_matrix()
    return scan_grid((0.0, 0.0, 0.0), _EXTENT_MM[role], spacing_mm, turn @ _AXES_RAS[role])


def _draw_ct(anatomy: ThighAnatomy, grid: Grid, rng: np.random.Generator) -> Volume:
    """Return the CT in HU: muscles differ and are streaked with fat, noise is as grainy as a soft kernel makes it."""
    signal = _levels(_HU, anatomy)
    spacing_mm = anatomy.grid.spacing_mm[0]
    fleshy = anatomy.muscle > 0
    signal[fleshy] += rng.uniform(-5, 5, 256).astype(np.float32)[anatomy.muscle[fleshy]]
    texture = smooth_noise(anatomy.grid.shape, 2.5 / spacing_mm, rng)
    soft = fleshy | (anatomy.tissue == ThighTissue.TUMOUR) | (anatomy.tissue == ThighTissue.FAT)
    signal[soft] += 8.0 * texture[soft]
    # Beyond the anatomy the resampler puts 0, which has to mean air.
    clean = sampled(signal - np.float32(_AIR_HU), anatomy.grid, grid, _CT_BLUR_MM) + _AIR_HU
    grain = ndimage.gaussian_filter(rng.standard_normal(grid.shape, dtype=np.float32), (0, 0.6, 0.6))
    noisy = clean + _CT_NOISE_HU / grain.std() * grain
    values = np.clip(np.round(noisy), -1024, 3071).astype(np.int16)
    return Volume(values, grid, {"SeriesDescription": "CT, simulated", "Modality": "CT"})


def _draw_pet(anatomy: ThighAnatomy, grid: Grid, rng: np.random.Generator) -> Volume:
    """Return the PET in SUV: blurred by 6 mm, with noise whose variance follows the uptake as counts do."""
    signal = _levels(_SUV, anatomy)
    fleshy, alive = anatomy.muscle > 0, anatomy.tissue == ThighTissue.TUMOUR
    signal[fleshy] *= rng.uniform(0.8, 1.25, 256).astype(np.float32)[anatomy.muscle[fleshy]]
    signal[alive] = anatomy.tumour.suv[alive]
    clean = np.maximum(sampled(signal, anatomy.grid, grid, _PET_BLUR_MM), 0)
    grain = ndimage.gaussian_filter(rng.standard_normal(grid.shape, dtype=np.float32), 0.6)
    noisy = clean + _PET_NOISE * np.sqrt(clean + 0.01) * grain / grain.std()
    values = np.maximum(noisy, 0).astype(np.float32)
    return Volume(values, grid, {"SeriesDescription": "FDG-PET in SUV, simulated", "Modality": "PT"})


def _levels(level: dict[ThighTissue, float], anatomy: ThighAnatomy) -> Field:
    table = np.array([level.get(tissue, 0.0) for tissue in ThighTissue], dtype=np.float32)
    return np.asarray(table[anatomy.tissue])
