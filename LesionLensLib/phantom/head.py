"""Put the phantom together: one head, three scans on grids of their own, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.phantom.anatomy import LOWER_RAS, UPPER_RAS, build_anatomy
from LesionLensLib.phantom.contrast import draw_channel
from LesionLensLib.phantom.files import write_volumes
from LesionLensLib.phantom.lesions import plant_lesions
from LesionLensLib.phantom.shapes import scan_grid

ROLES = ("T1", "T2", "FLAIR")
_HEAD_ANGLES_DEG = {"T1": (9.0, -3.0, 4.0), "T2": (11.0, -2.0, 5.0), "FLAIR": (10.0, -4.0, 6.0)}


@dataclass(frozen=True)
class HeadPhantom:
    """Three contrasts on their own grids; `lesion` and `brain` (uint8) lie on the grid of FLAIR."""

    T1: Volume
    T2: Volume
    FLAIR: Volume
    lesion: Volume
    brain: Volume

    @property
    def channels(self) -> dict[str, Volume]:
        """The three contrasts by role."""
        return {role: getattr(self, role) for role in ROLES}


def make_head_phantom(
    seed: int = 0,
    spacing_mm: tuple[float, float, float] = (0.9, 0.9, 3.0),
    oblique: bool = True,
    small: bool = False,
    lesions: int = 24,
    noise: float = 1.0,
) -> HeadPhantom:
    """Make the head of `seed`: the same seed gives the same voxels.

    `spacing_mm` `(i, j, k)` is that of FLAIR; T1 has the same, T2 finer pixels and slices 10 % thicker, as clinical
    protocols do. With `oblique` every scan is tilted a little differently, else all axes follow the patient's. `small`
    makes about 64 voxels a side, for tests. `lesions` are tried; a few may find no room.
    """
    rng = np.random.default_rng(seed)
    if small:
        spacing_mm = (3.0, 3.0, 3.0)
    anatomy = build_anatomy(2.4 if small else 1.0, rng)
    lesion = plant_lesions(anatomy, lesions, rng)
    grids = {role: _scan_grid(role, spacing_mm, oblique) for role in ROLES}
    channels = {role: draw_channel(role, anatomy, lesion, grids[role], rng, noise) for role in ROLES}
    share = resample(Volume(lesion, anatomy.grid), grids["FLAIR"]).array
    brain = resample(Volume(anatomy.brain.astype(np.float32), anatomy.grid), grids["FLAIR"]).array
    return HeadPhantom(
        **channels,
        lesion=Volume((share > 0.5).astype(np.uint8), grids["FLAIR"]),
        brain=Volume((brain > 0.5).astype(np.uint8), grids["FLAIR"]),
    )


def _scan_grid(role: str, spacing_mm: tuple[float, float, float], oblique: bool) -> Grid:
    """Return an axial grid, patient left to right along i and front to back along j, that covers the head."""
    i_mm, j_mm, k_mm = spacing_mm
    if role == "T2":
        i_mm, j_mm, k_mm = 0.8 * i_mm, 0.8 * j_mm, 1.1 * k_mm
    angles = _HEAD_ANGLES_DEG[role] if oblique else (0.0, 0.0, 0.0)
    axes = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag([-1.0, -1.0, 1.0])
    center = (np.array(LOWER_RAS) + UPPER_RAS) / 2
    return scan_grid(center, (192.0, 232.0, 168.0), (i_mm, j_mm, k_mm), axes)


def write_head_phantom(folder: str | Path, seed: int = 0, small: bool = False) -> dict[str, Path]:
    """Write `T1`, `T2`, `FLAIR`, `lesion` and `brain` as `.nii.gz` into `folder` and return the paths."""
    return write_volumes(vars(make_head_phantom(seed, small=small)), Path(folder))
