"""Cubes in millimetres cover every voxel, and what stands in for them is what its name says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from LesionLensLib.errors import UserError
from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Cubes
from LesionLensLib.explain.occlusion.fills import make_fill
from LesionLensLib.geometry import Grid


def test_a_size_in_millimetres_becomes_voxels_of_each_axis_on_an_oblique_left_handed_grid(oblique_grid: Grid) -> None:
    # 0.7 x 1.3 x 3.1 mm along i, j, k; a cube of 2.6 mm is 3.7 x 2 x 0.84 voxels.
    cubes = Cubes.on_grid(oblique_grid, 2.6)
    assert cubes.size == cubes.stride == (1, 2, 4)
    assert cubes.chosen.shape == (7, 6, 4)
    assert cubes.covered.all()
    assert Cubes.on_grid(oblique_grid, 0.01).size == (1, 1, 1)
    assert Cubes.on_grid(oblique_grid, 2.6, 0.7).stride == (1, 1, 1)


def test_the_last_cube_reaches_over_the_border_and_every_start_is_a_multiple_of_the_stride() -> None:
    cubes = Cubes.covering((10, 5, 4), (4, 4, 4), (4, 3, 2))
    assert sorted(set(cubes.starts[:, 0])) == [0, 4, 8]
    assert sorted(set(cubes.starts[:, 1])) == [0, 3]
    assert sorted(set(cubes.starts[:, 2])) == [0]
    assert cubes.covered.all()


def test_a_region_chooses_the_cubes_that_touch_it() -> None:
    region = np.zeros((8, 8, 8), dtype=bool)
    region[3, 4, 7] = True
    cubes = Cubes.covering((8, 8, 8), (4, 4, 4), (2, 4, 4), region)
    assert cubes.starts.tolist() == [[0, 4, 4], [2, 4, 4]]
    assert cubes.covered.sum() == 6 * 4 * 4
    with pytest.raises(UserError, match="empty"):
        Cubes.covering((8, 8, 8), (4, 4, 4), (4, 4, 4), np.zeros((8, 8, 8), dtype=bool))


def test_a_voxel_of_several_cubes_has_their_mean_and_one_of_none_has_0() -> None:
    cubes = Cubes.covering((1, 1, 6), (1, 1, 4), (1, 1, 2))
    assert cubes.spread(np.array([[[3.0, 6.0]]]))[0, 0].tolist() == [3, 3, 4.5, 4.5, 6, 6]
    some = Cubes.covering((1, 1, 6), (1, 1, 2), (1, 1, 2), np.array([[[0, 0, 0, 1, 0, 0]]], dtype=bool))
    assert some.spread(some.lattice(np.array([5.0])))[0, 0].tolist() == [0, 0, 5, 5, 0, 0]


def test_a_stride_that_leaves_gaps_is_refused() -> None:
    grid = Grid((8, 8, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    with pytest.raises(UserError, match="leave parts"):
        Cubes.on_grid(grid, 2.0, 3.0)


def test_the_local_mean_is_that_of_the_surroundings_without_the_cube_itself() -> None:
    image = torch.randn(1, 2, 9, 8, 7)
    patches = make_fill("local-mean", image, (3, 3, 3)).patches(torch.tensor([[3, 3, 3], [0, 6, 6]]), (3, 3, 3))
    for start, found in zip(((3, 3, 3), (0, 6, 6)), patches, strict=True):
        around = np.zeros((9, 8, 7), dtype=bool)
        around[tuple(slice(max(0, n - 3), n + 6) for n in start)] = True
        around[tuple(slice(n, n + 3) for n in start)] = False
        assert found.flatten().tolist() == pytest.approx(image[0].numpy()[:, around].mean(1), abs=1e-6)


def test_a_cube_that_fills_the_volume_takes_the_mean_of_the_channel() -> None:
    image = torch.randn(1, 1, 3, 3, 3)
    patches = make_fill("local-mean", image, (3, 3, 3)).patches(torch.zeros(1, 3, dtype=torch.long), (3, 3, 3))
    assert patches.item() == pytest.approx(image.mean().item(), abs=1e-6)


def test_mean_zero_and_blurred_fills_and_outlines_that_become_empty() -> None:
    image = torch.rand(1, 2, 6, 6, 6) + 1
    cubes = torch.tensor([[4, 4, 4]])
    assert make_fill("mean", image, (2, 2, 2), [1]).patches(cubes, (2, 2, 2)).flatten().tolist() == pytest.approx(
        [image[0, 0].mean().item(), 0.0]
    )
    assert make_fill("zero", image, (2, 2, 2)).patches(cubes, (2, 2, 2)).abs().max() == 0
    blurred = make_fill("blurred", image, (2, 1, 1)).patches(cubes, (2, 2, 2))
    smooth = gaussian_filter(image[0, 0].double().numpy(), (2, 1, 1), mode="nearest")
    assert np.abs(blurred[0, 0].numpy() - smooth[4:, 4:, 4:]).max() < 1e-6
    with pytest.raises(ValueError, match="fill"):
        make_fill("noise", image, (2, 2, 2))


def test_what_a_cube_changes_is_the_difference_of_the_occluded_image() -> None:
    image = torch.randn(1, 2, 5, 6, 7)
    cover = Cover(image, (3, 4, 2), make_fill("blurred", image, (3, 4, 2)))
    starts = np.array([[1, 1, 1], [3, 4, 6]])
    occluded, found = cover.occluded(starts, (0, 1)), cover.differences(starts)
    for number, (d, h, w) in enumerate(starts.tolist()):
        whole = torch.zeros(2, 9, 12, 12)
        whole[:, d : d + 3, h : h + 4, w : w + 2] = found[number]
        assert whole[:, 5:].abs().max() == whole[:, :, 6:].abs().max() == whole[:, :, :, 7:].abs().max() == 0
        assert torch.allclose(occluded[number] - image[0], whole[:, :5, :6, :7], atol=1e-6)
    assert torch.equal(cover.occluded(starts, (1,))[:, 0], image[:, 0].expand(2, -1, -1, -1))
