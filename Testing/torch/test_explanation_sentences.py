"""What an explanation says in words about where its map lies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from LesionLensLib.explain.job.methods import occlusion_sentence
from LesionLensLib.explain.job.told import peak_findings, where_most_lies
from LesionLensLib.explain.regions import RegionImpact
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume


def row(label: int, name: str, share: float) -> RegionImpact:
    return RegionImpact(label, name, 1.0, 0.0, share, 0.0, share, 0.0, (0.0, 0.0, 0.0), 1.0)


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ((0.57, 0.23, 0.2), " 57 % of the map lies in the region core."),
        (
            (0.09, 0.10, 0.81),
            " 81 % of the map lies in none of the regions; the one with most of it, 10 %, is 10 to 20 mm outside.",
        ),
        ((0.0, 0.0, 1.0), ""),
    ],
)
def test_a_map_that_lies_mostly_outside_of_the_regions_is_not_said_to_lie_in_one(
    shares: tuple[float, float, float], told: str
) -> None:
    """Seen with SMOCAM of a sarcoma: "10 % of the map lie in 10 to 20 mm outside", and 71 % in none of the regions."""
    names = ("core", "10 to 20 mm outside", "elsewhere")
    rows = [row(label, name, share) for label, name, share in zip((1, 5, 0), names, shares, strict=True)]
    assert where_most_lies(rows) == told
    assert where_most_lies(()) == ""


def begun_with(brain: Volume | None) -> Any:
    return SimpleNamespace(brain=brain)


def test_a_map_that_is_strongest_where_there_is_no_brain_is_warned_of(oblique_grid: Grid) -> None:
    """On an oblique left-handed grid with uneven voxels, and a brain on another one."""
    centre = oblique_grid.ras_from_ijk((np.array(oblique_grid.size) - 1) / 2)
    box = Grid((30, 30, 30), (1, 1, 1), tuple(centre * [-1, -1, 1] - 14.5))
    k, j, i = np.indices(box.shape)
    distance = np.linalg.norm(box.ras_from_ijk(np.stack([i, j, k], -1)) - centre, axis=-1)
    brain = Volume((distance <= 3).astype(np.uint8), box)
    values = np.zeros(oblique_grid.shape, np.float32)
    middle = tuple(np.array(oblique_grid.shape) // 2)
    values[middle] = -2.0
    assert peak_findings(begun_with(brain), Volume(values, oblique_grid)) == ()
    values[0, 0, 0] = 3.0
    corner = float(np.linalg.norm(oblique_grid.ras_from_ijk(np.zeros(3)) - centre))
    (found,) = peak_findings(begun_with(brain), Volume(values, oblique_grid))
    assert found.code == "peak-outside-brain"
    assert abs(float(found.text.split()[4]) - (corner - 3)) < 1.5
    assert peak_findings(begun_with(None), Volume(values, oblique_grid)) == ()
    assert peak_findings(begun_with(brain), Volume(np.zeros_like(values), oblique_grid)) == ()


def test_impacts_that_are_lost_in_rounding_are_said_to_be_shown_as_0() -> None:
    """The panel shows this sentence; single voxels mostly change the answer by less than its last digits."""
    begun: Any = SimpleNamespace(answer_name="probability of relapse", unit="probability")
    whole = np.array([True, False, False, False])
    found: Any = SimpleNamespace(
        total=np.array([0.25, 0.0, 0.0, 0.0]), answer=0.5, silenced=3, cubes=4, noise=1.2e-7, by_role={},
        refinement=None, covered=np.ones(4, bool),
    )  # fmt: skip
    first = "Without a cube of the image the probability of relapse, 0.50, falls by up to 0.25."
    rounding = " 3 of 4 cubes change it by no more than rounding does (1e-07): there it is shown as 0."
    assert occlusion_sentence(found, begun) == first + rounding
    found.silenced, found.refinement = 0, SimpleNamespace(whole=whole, cubes=(1, 8), largest_whole=0.1)
    assert occlusion_sentence(found, begun) == first + " 25 % of the image were looked at in larger cubes only."
    found.refinement, found.total = None, np.zeros(4)
    assert "by more than rounding does" in occlusion_sentence(found, begun)
