"""How a metastasis looks on T1c and FLAIR, in units of the brain's own contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.training.brain import WHITE, FloatArray
from LesionLensLib.training.metastases.fields import SmoothField
from LesionLensLib.training.metastases.lattice import blur_mm
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.soil import white_level

T1C_PART_OF_UNEVENNESS = -0.25
"""Water darkens T1 where it brightens FLAIR, but less."""

DARKEST_OEDEMA = -0.15
TEXTURE_MM = 0.6
RIM_FIELD_MM, CORE_FIELD_MM = 2.0, 3.0


@dataclass(frozen=True, eq=False)
class Look:
    """Levels (T1c, FLAIR) of rim, core and oedema over the white matter around, and how uneven each is.

    All in units of |white matter - fluid| of the channel. `uneven` are the random fields of rim, core and oedema.
    """

    rim: tuple[float, float]
    core: tuple[float, float]
    oedema: tuple[float, float]
    rim_unevenness: float
    core_unevenness: float
    oedema_unevenness: float
    edge_mm: float
    uneven: tuple[SmoothField, SmoothField, SmoothField]


def draw_look(limits: MetastasisRange, rng: np.random.Generator) -> Look:
    """Draw how one metastasis looks."""
    return Look(
        (rng.uniform(*limits.rim_t1c), rng.uniform(*limits.rim_flair)),
        (rng.uniform(*limits.core_t1c), rng.uniform(*limits.core_flair)),
        (rng.uniform(*limits.oedema_t1c), rng.uniform(*limits.oedema_flair)),
        rng.uniform(*limits.rim_unevenness),
        rng.uniform(*limits.core_unevenness),
        rng.uniform(*limits.oedema_unevenness),
        rng.uniform(*limits.edge_mm),
        (
            SmoothField.draw(RIM_FIELD_MM, rng),
            SmoothField.draw(CORE_FIELD_MM, rng),
            SmoothField.draw(rng.uniform(*limits.oedema_unevenness_length_mm), rng),
        ),
    )


def oedema_change(look: Look, share: FloatArray, grid: Grid) -> FloatArray:
    """Return what oedema adds to T1c and FLAIR (2, D, H, W), in units, for its share of each voxel."""
    uneven = look.oedema_unevenness * look.uneven[2].on(grid)
    t1c = look.oedema[0] + T1C_PART_OF_UNEVENNESS * uneven
    flair = np.maximum(look.oedema[1] + uneven, DARKEST_OEDEMA)
    change: FloatArray = (share * np.stack([np.minimum(t1c, 0.0), flair])).astype(np.float32)
    return change


def with_body(
    channels: FloatArray,
    look: Look,
    body: FloatArray,
    core: FloatArray,
    ground: FloatArray,
    tissue: NDArray[np.uint8],
    units: FloatArray,
    grid: Grid,
    rng: np.random.Generator,
) -> FloatArray:
    """Return `channels` (2, D, H, W) with the body of a metastasis blended in by its share of each voxel.

    `ground` (2, D, H, W) is the healthy brain with its `tissue`, whose white matter sets level and noise; `units` (2,).
    """
    level = white_level(ground, tissue, grid)
    alpha = blur_mm(body, look.edge_mm, grid)
    inner = np.minimum(blur_mm(core, look.edge_mm, grid) / np.maximum(alpha, 1e-3), 1)
    rim_uneven = look.rim_unevenness * look.uneven[0].on(grid)
    core_uneven = look.core_unevenness * look.uneven[1].on(grid)
    out = channels.copy()
    for index, unit in enumerate(units):
        rim, necrosis = look.rim[index] + rim_uneven, look.core[index] + core_uneven
        target = level[index] + unit * (rim + inner * (necrosis - rim))
        target = target + _texture(ground[index] - level[index], tissue, grid, rng)
        out[index] += alpha * (np.maximum(target, 0.03 * unit) - channels[index])
    return out


def _texture(residual: FloatArray, tissue: NDArray[np.uint8], grid: Grid, rng: np.random.Generator) -> FloatArray:
    """Return noise (D, H, W) as strong as that of white matter, so that smoothness does not give the lesion away."""
    inside = residual[ndimage.binary_erosion(tissue == WHITE)]
    spread = 1.4826 * float(np.median(np.abs(inside - np.median(inside)))) if inside.size else 0.0
    noise = blur_mm(rng.standard_normal(grid.shape, dtype=np.float32), TEXTURE_MM, grid)
    scaled: FloatArray = (noise * (0.8 * spread / max(float(noise.std()), 1e-6))).astype(np.float32)
    return scaled
