"""The pictures show the lesion where it is, on the right side, and say which side that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from result_case import LESIONS, ResultCase, make_case, oblique_grid

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytestmark = pytest.mark.usefixtures("renderer")

Show = Callable[..., Any]
SIZE = (500, 500)
CENTER, RADIUS = LESIONS[0]
# For each view: the RAS axes that point to the right of the screen and upwards, in the radiological convention.
SCREEN_AXES = {
    "axial": ((-1, 0, 0), (0, 1, 0)),
    "coronal": ((-1, 0, 0), (0, 0, 1)),
    "sagittal": ((0, -1, 0), (0, 0, 1)),
}


@pytest.fixture(scope="module")
def views(renderer: str, left_handed: ResultCase) -> Iterator[dict[str, Any]]:
    """All four views of the left-handed case, closed after the tests that only look at them."""
    from LesionLensLib.images.volume import Volume
    from LesionLensLib.scene.pictures import open_views, set_window
    from LesionLensLib.scene.segmentation import show_result
    from LesionLensLib.scene.start import start
    from LesionLensLib.scene.volumes import load_volume

    start().mrmlScene.Clear(0)
    brain = Volume(left_handed.brain.astype(np.uint8), left_handed.grid)
    nodes = show_result(left_handed.folder, {"FLAIR": load_volume(left_handed.image, "FLAIR")}, brain=brain)
    set_window(nodes.reference)
    opened = dict(open_views(nodes, SIZE))
    yield opened
    for view in opened.values():
        view.close()


def _redness(picture: NDArray[np.uint8]) -> NDArray[np.int64]:
    pixels = picture.astype(int)
    return pixels[..., 0] - pixels[..., 1:].max(-1)


def _around(values: NDArray[Any], pixel: tuple[int, int], reach: int = 8) -> NDArray[Any]:
    row, column = pixel
    return values[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]


@pytest.mark.parametrize("name", SCREEN_AXES)
def test_the_outline_runs_around_the_lesion_and_nowhere_else(views: dict[str, Any], name: str) -> None:
    view = views[name]
    red = _redness(view.grab()) > 100
    middle = view.pixel_of(CENTER)

    for axis in SCREEN_AXES[name]:
        for side in (-1, 1):
            edge = np.array(CENTER) + side * RADIUS * np.array(axis)
            assert _around(red, view.pixel_of(tuple(edge))).any(), f"no outline at {edge}"
    assert not _around(red, middle, reach=4).any(), "an outline leaves the inside of the lesion free"
    rows, columns = np.nonzero(red)
    reach = np.hypot(rows - middle[0], columns - middle[1]).max()
    scale = abs(view.pixel_of((CENTER[0], CENTER[1] + 10, CENTER[2] + 10))[0] - middle[0]) / 10
    assert reach < (RADIUS + 5) * scale * 1.3


@pytest.mark.parametrize("name", SCREEN_AXES)
def test_left_is_left_in_the_radiological_convention(views: dict[str, Any], name: str) -> None:
    view = views[name]
    row, column = view.pixel_of(CENTER)
    to_right, up = (np.array(CENTER) + 20 * np.array(axis) for axis in SCREEN_AXES[name])

    assert view.pixel_of(tuple(to_right))[1] > column + 20
    assert view.pixel_of(tuple(up))[0] < row - 20
    # Not only by the matrix: the picture itself is bright at the lesion, which only one side has.
    picture = view.grab()
    assert _around(picture, (row, column), 3).mean() > 230
    if name != "sagittal":
        mirrored = view.pixel_of((-CENTER[0], CENTER[1], CENTER[2]))
        assert column > SIZE[0] / 2 > mirrored[1]
        assert _around(picture, mirrored, 3).mean() < 230


def test_the_letters_at_the_edges_follow_the_matrix(views: dict[str, Any]) -> None:
    from LesionLensLib.scene.views import direction_letter

    assert [direction_letter(np.array(axis)) for axis in ((-1, 0.2, 0), (0.1, 0.9, 0), (0, 0, -1))] == ["L", "A", "I"]
    picture = views["axial"].grab()
    edge = SIZE[0] // 28
    for row, column in ((250, 17), (250, 482), (17, 250), (472, 250)):
        assert (_around(picture, (row, column), edge).min(-1) > 200).sum() > 10, "a letter is missing"


def test_the_3d_view_shows_the_lesions_inside_the_translucent_brain(views: dict[str, Any]) -> None:
    view = views["threed"]
    picture = view.grab()
    red = _redness(picture)

    for center, _ in LESIONS:
        assert _around(red, view.pixel_of(center), 2).min() > 60, f"no lesion colour at {center}"
    brain = view.pixel_of((0.0, 0.0, 50.0))
    assert abs(red[brain]) < 40
    corner = picture[5, 5].astype(int)
    assert abs(picture[brain].astype(int) - corner).max() > 15, "the brain stands out from the background"
    assert 0.15 < (np.abs(picture.astype(int) - picture[:, :1].astype(int)).max(-1) > 12).mean() < 0.9


def test_the_3d_view_looks_from_the_side_of_the_largest_lesion(views: dict[str, Any]) -> None:
    view = views["threed"]
    position = np.array(view.renderer.GetActiveCamera().GetPosition())

    assert np.sign(position[0]) == np.sign(CENTER[0])
    assert position[1] > 0
    assert position[2] > 0
    # Seen from the front, the patient's left is on the right of the screen.
    assert view.pixel_of((-60.0, 0.0, 0.0))[1] > view.pixel_of((60.0, 0.0, 0.0))[1]


def test_a_view_turns_back_to_the_patient_after_the_scene_was_closed(
    slicer: Any, show: Show, left_handed: ResultCase
) -> None:
    """A slice node left in the orientation "Reformat" comes back mirrored: seen once, must not happen again."""
    from LesionLensLib.scene.pictures import focus_ras, head_box_ras
    from LesionLensLib.scene.views import SliceView

    with closing(SliceView("Red", "Axial", SIZE)) as view:
        for _ in range(2):
            nodes = show(left_handed)
            view.show(nodes.reference, focus_ras(nodes), head_box_ras(nodes.reference))
            assert view.pixel_of(CENTER)[1] > SIZE[0] / 2
            edge = view.pixel_of((CENTER[0] - RADIUS, *CENTER[1:]))
            assert _around(_redness(view.grab()) > 100, edge).any()
            slicer.mrmlScene.Clear(0)


@pytest.mark.parametrize("with_lesions", [True, False])
def test_four_pictures_are_written_also_when_there_is_no_lesion(show: Show, tmp_path: Path, with_lesions: bool) -> None:
    from vtk import vtkPNGReader

    from LesionLensLib.scene.pictures import draw_pictures

    nodes = show(make_case(tmp_path, oblique_grid(left_handed=False), with_lesions=with_lesions))
    paths = draw_pictures(nodes, tmp_path, (320, 240))

    assert [path.name for path in paths] == ["axial.png", "coronal.png", "sagittal.png", "threed.png"]
    for path in paths:
        reader = vtkPNGReader()
        reader.SetFileName(str(path))
        reader.Update()
        assert reader.GetOutput().GetDimensions() == (320, 240, 1)
        assert reader.GetOutput().GetScalarRange()[1] > 200


def test_the_grey_window_spans_the_head_and_not_one_hot_voxel(slicer: Any) -> None:
    from LesionLensLib.scene.pictures import set_window

    array = np.zeros((30, 40, 40), np.float32)
    array[5:25, 8:32, 8:32] = np.random.default_rng(0).uniform(300, 700, (20, 24, 24))
    array[0, 0, 0] = 1e6
    node = slicer.util.addVolumeFromArray(array, name="head")

    set_window(node)

    display = node.GetDisplayNode()
    assert 0 <= display.GetWindowLevelMin() < 320
    assert 680 < display.GetWindowLevelMax() < 720


def test_a_picture_that_cannot_be_written_raises_an_os_error(renderer: str, slicer: Any, tmp_path: Path) -> None:
    from LesionLensLib.scene.views import ThreeDView

    with closing(ThreeDView((64, 64))) as view, pytest.raises(OSError, match=r"view\.png could not be written"):
        view.save(tmp_path / "no folder" / "view.png")
