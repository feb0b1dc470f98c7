"""Lesions are counted, measured and numbered as the table of the public contract says."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from LesionLensLib.geometry import Grid
from LesionLensLib.inference.lesions import COLUMNS, find_lesions, write_lesions_csv

AXES = Rotation.from_euler("xyz", [10, -20, 30], degrees=True).as_matrix() * [-1, 1, 1]
OBLIQUE = Grid((9, 8, 7), (0.5, 1.0, 4.0), (12.0, -7.0, 30.0), tuple(AXES.ravel()))


def test_an_oblique_left_handed_anisotropic_grid_gives_ml_and_ras_of_each_lesion() -> None:
    assert OBLIQUE.is_left_handed
    mask = np.zeros(OBLIQUE.shape, bool)
    mask[1, 2, 3:6] = True
    mask[5, 6, 8] = True
    probability = np.zeros(OBLIQUE.shape, np.float32)
    probability[1, 2, 3:6] = [0.5, 0.75, 1.0]
    probability[5, 6, 8] = 0.625
    kept, lesions = find_lesions(mask, probability, OBLIQUE)
    assert np.array_equal(kept, mask.astype(np.uint8))
    assert [lesion.number for lesion in lesions] == [1, 2]
    assert [lesion.volume_ml for lesion in lesions] == pytest.approx([3 * 0.002, 0.002])
    assert lesions[0].centroid_ras == pytest.approx(tuple(OBLIQUE.ras_from_ijk([4, 2, 1])))
    assert lesions[1].centroid_ras == pytest.approx(tuple(OBLIQUE.ras_from_ijk([8, 6, 5])))
    assert (lesions[0].mean_probability, lesions[0].max_probability) == pytest.approx((0.75, 1.0))
    assert (lesions[1].mean_probability, lesions[1].max_probability) == pytest.approx((0.625, 0.625))


def test_voxels_that_touch_by_a_corner_are_one_lesion_and_by_a_gap_of_one_are_two() -> None:
    mask = np.zeros(OBLIQUE.shape, bool)
    mask[1, 1, 1] = mask[2, 2, 2] = mask[4, 4, 4] = True
    _, lesions = find_lesions(mask, mask.astype(np.float32), OBLIQUE)
    assert [lesion.volume_ml for lesion in lesions] == pytest.approx([0.004, 0.002])


def test_lesions_of_equal_size_are_numbered_by_their_first_voxel() -> None:
    mask = np.zeros(OBLIQUE.shape, bool)
    places = [(6, 0, 0), (0, 7, 8), (3, 3, 3), (0, 0, 4)]
    for place in places:
        mask[place] = True
    _, lesions = find_lesions(mask, mask.astype(np.float32), OBLIQUE)
    expected = [tuple(OBLIQUE.ras_from_ijk(place[::-1])) for place in sorted(places)]
    assert [lesion.centroid_ras for lesion in lesions] == [pytest.approx(point) for point in expected]


def test_lesions_below_the_smallest_volume_vanish_from_mask_and_list_and_exact_ones_stay() -> None:
    mask = np.zeros(OBLIQUE.shape, bool)
    mask[1, 1, 1:4] = True
    mask[4, 4, 1:3] = True
    mask[6, 6, 6] = True
    kept, lesions = find_lesions(mask, mask.astype(np.float32), OBLIQUE, min_volume_ml=0.004)
    assert [lesion.volume_ml for lesion in lesions] == pytest.approx([0.006, 0.004])
    assert kept.sum() == 5
    assert kept[6, 6, 6] == 0


def test_an_empty_mask_has_no_lesions(tmp_path: Path) -> None:
    empty = np.zeros(OBLIQUE.shape, np.uint8)
    kept, lesions = find_lesions(empty, empty.astype(np.float32), OBLIQUE)
    assert kept.sum() == 0
    assert lesions == ()
    write_lesions_csv(tmp_path / "lesions.csv", lesions)
    assert (tmp_path / "lesions.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_the_table_has_the_columns_of_the_contract_and_the_numbers_of_the_lesion(tmp_path: Path) -> None:
    mask = np.zeros(OBLIQUE.shape, bool)
    mask[1, 2, 3] = True
    _, lesions = find_lesions(mask, np.full(OBLIQUE.shape, 0.75, np.float32), OBLIQUE)
    write_lesions_csv(tmp_path / "lesions.csv", lesions)
    with (tmp_path / "lesions.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert list(row) == [
        "lesion", "volume_ml", "centroid_r", "centroid_a", "centroid_s", "mean_probability", "max_probability",
    ]  # fmt: skip
    ras = OBLIQUE.ras_from_ijk([3, 2, 1])
    assert row["lesion"] == "1"
    assert float(row["volume_ml"]) == pytest.approx(0.002)
    assert [float(row[f"centroid_{axis}"]) for axis in "ras"] == pytest.approx(list(ras), abs=1e-4)
    assert float(row["mean_probability"]) == pytest.approx(0.75)
