"""What an explanation says in words about where its map lies."""

from __future__ import annotations

import pytest

from LesionLensLib.explain.job.told import where_most_lies
from LesionLensLib.explain.regions import RegionImpact


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
