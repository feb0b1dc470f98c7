"""What a user may say to choose a surface."""

from __future__ import annotations

import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.explain.surface.choice import SurfaceChoice, parse_surface


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lesion", SurfaceChoice("lesion")),
        ("lesion+5mm", SurfaceChoice("lesion", 5.0)),
        ("lesion+2.5mm", SurfaceChoice("lesion", 2.5)),
        ("brain", SurfaceChoice("brain")),
        ("none", None),
    ],
)
def test_a_surface_is_chosen_by_its_name_and_millimetres(text: str, expected: SurfaceChoice | None) -> None:
    assert parse_surface(text) == expected


@pytest.mark.parametrize("text", ["", "tumour", "lesion+5", "lesion+mm", "lesion-5mm", "none+5mm", "lesion+5mm "])
def test_other_words_name_no_surface(text: str) -> None:
    with pytest.raises(UserError, match="names no surface"):
        parse_surface(text)
