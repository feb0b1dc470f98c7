"""A made-up planted patient whose lesions and loads are known, for the tests of the lesion load."""

from __future__ import annotations

from functools import cache

import numpy as np

from LesionLensLib.geometry import Grid
from LesionLensLib.training.lesion_load.recipe import LoadRange, LoadRecipe
from LesionLensLib.training.lesion_load.soil import LoadSoil, make_soil

SIDE = 48
SPACING_MM = 3.0
# Centre (L, P, S in mm from the middle) and radius of each lesion; the last one crosses the midline.
LESIONS = (((12, -4, 3), 5.0), ((14, 10, -6), 3.0), ((-13, 2, 4), 4.0), ((-10, -12, -8), 3.0), ((0, 12, 10), 4.0))
RECIPE = LoadRecipe(
    field=(16, 16, 16),
    spacing_mm=SPACING_MM,
    options={"widths": [2, 4], "hidden": 4, "unit": 1.0},
    steps=4,
    batch=2,
    warm_up_steps=1,
    cell_blocks=(1,),
    averaging=0.5,
    described=4,
    judged=3,
    bootstrap=200,
    loads=LoadRange(most_ml=1.0, healed_chance=0.0, empty_chance=0.0, strength=(1.0, 1.0)),
)


def millimetres(shape: tuple[int, int, int], spacing_mm: float) -> np.ndarray:
    """Return L, P, S of the voxel centres of a box around the origin, (3, D, H, W)."""
    axes = [(np.arange(n) - (n - 1) / 2) * spacing_mm for n in shape]
    s, p, l = np.meshgrid(*axes, indexing="ij")  # noqa: E741
    return np.stack([l, p, s])


def ball(centre: tuple[float, float, float], radius: float) -> np.ndarray:
    """Return a ball (D, H, W) of 1 mm voxels; `centre` is (L, P, S)."""
    places = millimetres((SIDE, SIDE, SIDE), 1.0)
    return ((places - np.array(centre)[:, None, None, None]) ** 2).sum(0) <= radius**2


def fine_grid() -> Grid:
    """Return the 1 mm grid along L, P, S with its middle at the origin."""
    return Grid((SIDE,) * 3, (1.0, 1.0, 1.0), (-(SIDE - 1) / 2,) * 3)


def box_grid() -> Grid:
    """Return the grid of the network around the same middle."""
    return Grid((16, 16, 16), (SPACING_MM,) * 3, (-7.5 * SPACING_MM,) * 3)


@cache
def soil(seed: int = 0, kind: str = "real", patient: str = "p1") -> LoadSoil:
    """Return the planted patient: T1 falls and FLAIR rises by 200 in a lesion, and FLAIR by 90 in one artefact.

    It is shared: do not write into it.
    """
    rng = np.random.default_rng(seed)
    places = millimetres((SIDE, SIDE, SIDE), 1.0)
    brain = (places**2).sum(0) < 22**2
    healed = (600 + 2 * places[1] + rng.normal(0, 20, (2, *brain.shape))).astype(np.float32)
    lesion = np.any([ball(centre, radius) for centre, radius in LESIONS], axis=0) & brain
    planted = healed + np.array([-200, 200], np.float32)[:, None, None, None] * lesion
    planted[1] += 90 * ball((10.5, 10.5, 13.5), 2.0)
    return make_soil((f"{patient}-{seed}", patient, kind), healed, planted, lesion, brain, fine_grid(), box_grid())


def lesion_ml() -> tuple[float, float]:
    """Return the true volume of lesion on the left and on the right."""
    lesion = np.any([ball(centre, radius) for centre, radius in LESIONS], axis=0)
    left = millimetres((SIDE, SIDE, SIDE), 1.0)[0] > 0
    return float((lesion & left).sum()) / 1000, float((lesion & ~left).sum()) / 1000
