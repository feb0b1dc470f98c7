"""A map of impacts is seen as what it is: its sign in two colours, nothing where there is none, anatomy beneath."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
import pytest
from result_case import oblique_grid

from LesionLensLib.explain.surface.colors import color_table as colors_of
from LesionLensLib.explain.surface.colors import scale_of
from LesionLensLib.images import Volume

GREY, TOP = 100.0, 0.4


def make_map(signed: bool) -> Volume:
    """Return a map on an oblique, left-handed grid: helping on the patient's left, harming (if signed) on the right."""
    grid = oblique_grid(left_handed=True)
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    ras = grid.ras_from_ijk(np.stack([i, j, k], axis=-1)) - centre_of(grid)
    values = np.zeros(grid.shape, np.float32)
    values[np.linalg.norm(ras - (-20, 0, 0), axis=-1) < 12] = TOP
    values[np.linalg.norm(ras - (20, 0, 0), axis=-1) < 12] = -TOP / 2 if signed else TOP / 2
    return Volume(values, grid)


def centre_of(grid: Any) -> np.ndarray:
    return grid.ras_from_ijk((np.array(grid.size) - 1) / 2)


@pytest.fixture
def seen(slicer: Any, renderer: str) -> Any:
    """Return a function that lays a map over a grey image and returns the colours at points beside its centre."""
    from LesionLensLib.scene.impact import show_impact, style_impact
    from LesionLensLib.scene.views import SliceView
    from LesionLensLib.scene.volumes import add_volume

    def look(impact: Volume, *offsets: tuple[float, float, float]) -> list[np.ndarray]:
        image = add_volume(Volume(np.full(impact.grid.shape, GREY, np.float32), impact.grid), "image")
        image.CreateDefaultDisplayNodes()
        image.GetDisplayNode().AutoWindowLevelOff()
        image.GetDisplayNode().SetWindowLevelMinMax(0, 200)
        node = add_volume(impact, "map")
        style_impact(node, scale_of(impact.array), "change of probability")
        middle = centre_of(impact.grid)
        corners = middle + 50.0 * np.stack(np.meshgrid((-1, 1), (-1, 1), (-1, 1), indexing="ij"), -1).reshape(-1, 3)
        with closing(SliceView("Red", "Axial", (400, 400))) as view:
            view.show(image, tuple(middle), corners)
            show_impact(node, 1.0)
            picture = view.grab()
            return [picture[view.pixel_of(tuple(middle + offset))].astype(int) for offset in offsets]

    return look


@pytest.mark.parametrize("signed", [True, False])
def test_colours_lie_on_the_side_of_the_patient_where_the_impact_is(seen: Any, signed: bool) -> None:
    left, right, between = seen(make_map(signed), (-20, 0, 0), (20, 0, 0), (0, 30, 0))
    table = colors_of("coolwarm" if signed else "plasma") * 255
    assert left == pytest.approx(table[-1], abs=3), "the highest impact has the last colour"
    entry = round((len(table) - 1) * (0.25 if signed else 0.5))
    assert right == pytest.approx(table[entry], abs=6)
    assert np.ptp(between) == 0, "where there is no impact the image shows through"
    assert between[0] == pytest.approx(127, abs=3)


def test_red_raises_and_blue_lowers_the_answer(seen: Any) -> None:
    raises, lowers = seen(make_map(True), (-20, 0, 0), (20, 0, 0))
    assert raises[0] > raises[2] + 50
    assert lowers[2] > lowers[0] + 50


def test_the_volume_rendering_has_the_colours_of_the_slices(slicer: Any) -> None:
    from LesionLensLib.scene.impact import render_impact, style_impact
    from LesionLensLib.scene.volumes import add_volume

    impact = make_map(True)
    node, scale = add_volume(impact, "map"), scale_of(impact.array)
    style_impact(node, scale, "impact")
    properties = render_impact(node, scale, True).GetVolumePropertyNode()
    table = node.GetDisplayNode().GetColorNode().GetLookupTable()
    for value in (-TOP, -TOP / 2, TOP / 2, TOP):
        place = round((value / TOP + 1) / 2 * (table.GetNumberOfTableValues() - 1))
        assert properties.GetColor().GetColor(value) == pytest.approx(table.GetTableValue(place)[:3], abs=0.01)
        assert properties.GetScalarOpacity().GetValue(value) > 0
    assert properties.GetScalarOpacity().GetValue(0.0) == 0


def test_only_the_legend_of_a_shown_map_is_seen(slicer: Any) -> None:
    from LesionLensLib.scene.impact import show_impact, style_impact
    from LesionLensLib.scene.volumes import add_volume

    impact = make_map(False)
    node = add_volume(impact, "map")
    style_impact(node, scale_of(impact.array), "change of probability")
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node)
    assert legend.GetTitleText() == "change of probability"
    assert not legend.GetVisibility()
    show_impact(node)
    assert legend.GetVisibility()
    show_impact(node, 0.0)
    assert not legend.GetVisibility()
