"""A brain stored the other way round, as Slicer keeps a left-handed image, is the same brain to the network."""

from __future__ import annotations

import numpy as np
import pytest
from brain_lesion_cases import BRAIN_MM, GRID, MIDDLE, distance_from

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.inference.brain_lesion_input import PLAIN, lesion_box, lesion_view, score_brain

SPACING_MM = 3.0


def turned(volume: Volume, axis: int) -> Volume:
    """Return the same image with the voxels of one axis (i, j or k) in the other order."""
    grid = volume.grid
    first = np.zeros(4)
    first[axis], first[3] = grid.size[axis] - 1, 1.0
    direction = np.reshape(grid.direction_lps, (3, 3)).copy()
    direction[:, axis] *= -1
    origin = tuple((grid.ijk_to_lps @ first)[:3])
    array = np.ascontiguousarray(np.flip(volume.array, 2 - axis))
    return Volume(array, Grid(grid.size, grid.spacing_mm, origin, tuple(direction.ravel())))


@pytest.fixture(scope="module")
def images() -> dict[str, Volume]:
    """Two contrasts, a brain and a lesion whose voxels lie midway between those of the network along two axes."""
    rng = np.random.default_rng(4)
    found = {role: Volume(rng.normal(300, 40, GRID.shape).astype(np.float32), GRID) for role in ("T1c", "FLAIR")}
    found["brain"] = Volume((distance_from(MIDDLE) <= BRAIN_MM).astype(np.uint8), GRID)
    found["lesion"] = Volume((distance_from(MIDDLE + 4.0) <= 6.0).astype(np.uint8), GRID)
    return found


def seen(images: dict[str, Volume]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores = score_brain(images, ("T1c", "FLAIR"), "T1c", images["brain"], SPACING_MM, PLAIN)
    box = lesion_box(scores, lesion_view((48.0, 48.0, 48.0), SPACING_MM), images["lesion"])
    assert box.lesion is not None
    return box.images, box.brain, box.lesion


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_order_of_storage_changes_nothing_that_the_network_sees(images: dict[str, Volume], axis: int) -> None:
    coarse = GRID.closest_to_lps().with_spacing((SPACING_MM,) * 3)
    voxels = np.argwhere(np.ones(coarse.shape))[:, ::-1]
    places = GRID.ijk_from_ras(coarse.ras_from_ijk(voxels))
    assert np.any(np.abs(np.mod(places, 1) - 0.5) < 1e-6), "some points lie midway between two voxels"
    as_stored, other = seen(images), seen({role: turned(volume, axis) for role, volume in images.items()})
    assert np.array_equal(as_stored[1], other[1])
    assert np.array_equal(as_stored[2], other[2])
    assert np.abs(as_stored[0] - other[0]).max() < 1e-4
