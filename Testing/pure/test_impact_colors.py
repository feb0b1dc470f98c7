"""The colours of impacts: zero in the middle or at the bottom, lightness that tells how much, one place for all."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from LesionLensLib.explain.surface.colors import ColorScale, color_table, scale_of


def lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIE L*a*b* (N, 3) under D65 of sRGB colours (N, 3) from 0 to 1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(linear @ np.array(to_xyz).T / [0.9505, 1.0, 1.0890]).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@pytest.mark.parametrize("name", ["plasma", "coolwarm", "inferno"])
def test_a_shipped_table_is_the_one_of_matplotlib(name: str) -> None:
    table = color_table(name)
    np.testing.assert_allclose(table, mpl.colormaps[name](np.linspace(0, 1, len(table)))[:, :3], atol=6e-6)


def test_unsigned_colours_grow_lighter_with_the_impact_and_are_nowhere_black_or_grey() -> None:
    colours = lab(color_table("plasma"))
    assert (np.diff(colours[:, 0]) > 0).all()
    assert colours[0, 0] > 10
    assert np.hypot(colours[:, 1], colours[:, 2]).min() > 40


def test_signed_colours_are_equally_light_on_both_sides_of_a_neutral_zero() -> None:
    colours = lab(color_table("coolwarm"))
    middle = len(colours) // 2
    assert len(colours) % 2 == 1
    assert np.hypot(*colours[middle, 1:]) < 3
    assert np.abs(colours[:, 0] - colours[::-1, 0]).max() < 0.5
    assert (np.diff(colours[: middle + 1, 0]) > 0).all()
    assert colours[0, 2] < -40  # blue is negative
    assert colours[-1, 1] > 40  # red is positive


def test_a_signed_scale_is_as_wide_on_either_side_however_lopsided_the_map() -> None:
    scale = scale_of([-0.1, 0.4])
    assert (scale.is_signed, scale.low, scale.high) == (True, -0.4, 0.4)
    blue, neutral, red = scale.rgb([-0.4, 0.0, 0.4]).astype(int)
    np.testing.assert_array_equal(neutral, np.rint(color_table("coolwarm")[127] * 255))
    assert blue[2] > blue[0] + 100
    assert red[0] > red[2] + 100
    assert scale_of([0.1, 0.4], signed=True).low == -0.4


def test_an_unsigned_scale_starts_at_zero_and_colours_end_at_its_ends() -> None:
    scale = scale_of([0.1, 0.4])
    assert (scale.is_signed, scale.low, scale.high) == (False, 0.0, 0.4)
    table = np.rint(color_table("plasma") * 255)
    np.testing.assert_array_equal(scale.rgb([0.0, 0.4, 0.9, -1.0]), table[[0, 255, 255, 0]])


def test_between_two_entries_colours_are_mixed_in_proportion() -> None:
    scale = ColorScale("plasma", 0.0, 255.0)
    expected = 0.75 * color_table("plasma")[40] + 0.25 * color_table("plasma")[41]
    np.testing.assert_array_equal(scale.rgb(40.25), np.rint(expected * 255))
    assert scale.rgb(np.zeros((2, 3, 4))).shape == (2, 3, 4, 3)


def test_a_constant_map_has_one_colour_and_a_map_of_zeros_the_neutral_one() -> None:
    assert len(np.unique(scale_of(np.full(9, 0.3)).rgb(np.full(9, 0.3)), axis=0)) == 1
    zeros = scale_of(np.zeros(9))
    np.testing.assert_array_equal(zeros.rgb(0.0), np.rint(color_table("plasma")[0] * 255))


def test_maps_without_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        scale_of([0.0, np.nan])
    with pytest.raises(ValueError, match="signed scale"):
        scale_of([-1.0, 1.0], signed=False)
    with pytest.raises(ValueError, match="ascend"):
        ColorScale("plasma", 1.0, 1.0)
