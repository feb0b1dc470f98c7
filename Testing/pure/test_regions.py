"""The table of regions: volumes, means, shares and peaks of a map, whatever grids map and labels come on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.explain.regions import COLUMNS, RegionImpact, region_table, write_regions_csv
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Segment, Volume, write_segmentation, write_volume
from LesionLensLib.images.labelmap import Labelmap, Region, labelmap_of, read_labelmap


def centres(grid: Grid) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return grid.ras_from_ijk(np.stack([i, j, k], axis=-1))


def by_name(rows: tuple[RegionImpact, ...]) -> dict[str, RegionImpact]:
    return {row.name: row for row in rows}


def test_the_row_of_a_region_is_what_can_be_worked_out_by_hand(oblique_grid: Grid) -> None:
    impact, labels = np.zeros(oblique_grid.shape, np.float32), np.zeros(oblique_grid.shape, np.uint8)
    labels[1, 2, 3:7] = 4
    impact[1, 2, 3:7] = (1, -3, 0, 2)
    impact[5, 5, 5] = 4  # in no region
    region, rest = region_table(Volume(impact, oblique_grid), labelmap_of(Volume(labels, oblique_grid)))
    voxel_ml = 0.7 * 1.3 * 3.1 / 1000
    assert (region.label, region.name, region.covered) == (4, "4", 1.0)
    assert region.volume_ml == pytest.approx(4 * voxel_ml)
    assert (region.mean, region.mean_absolute) == (0.0, 1.5)
    assert region.share == pytest.approx(6 / 10)
    assert region.energy_share == pytest.approx(14 / 30)
    assert region.peak == -3
    np.testing.assert_allclose(region.peak_ras, oblique_grid.ras_from_ijk((4, 2, 1)))
    assert (rest.label, rest.name, rest.peak) == (0, "elsewhere", 4)
    assert rest.share == pytest.approx(4 / 10)
    np.testing.assert_allclose(rest.peak_ras, oblique_grid.ras_from_ijk((5, 5, 5)))
    assert rest.volume_ml == pytest.approx((13 * 11 * 7 - 4) * voxel_ml)


@pytest.mark.parametrize(("map_step", "label_step"), [(3.0, 1.0), (1.0, 2.0), (2.0, 2.0)])
def test_a_linear_map_means_its_value_at_the_middle_of_a_region_on_any_pair_of_grids(
    map_step: float, label_step: float, oblique_grid: Grid
) -> None:
    box = Grid((48, 40, 44), (1, 1, 1), (10, 20, 30), oblique_grid.direction_lps)
    straight = Grid((90, 90, 90), (1, 1, 1), tuple(box.ijk_to_lps[:3] @ [23.5, 19.5, 21.5, 1] - 44.5))
    impact_grid, label_grid = straight.with_spacing((map_step,) * 3), box.with_spacing((label_step,) * 3)
    field = centres(impact_grid) @ [0.5, -0.25, 1.0] + 500
    labels = np.zeros(label_grid.shape, np.uint8)
    k, j, i = (slice(n // 4, 3 * n // 4) for n in label_grid.shape)
    labels[k, j, i] = 1
    middle = centres(label_grid)[labels == 1].mean(0)
    row, rest = region_table(Volume(field.astype(np.float32), impact_grid), labelmap_of(Volume(labels, label_grid)))
    assert row.mean == pytest.approx(float(middle @ [0.5, -0.25, 1.0] + 500), abs=0.3)
    assert row.volume_ml == pytest.approx(np.count_nonzero(labels) * label_grid.voxel_ml)
    assert row.covered == pytest.approx(1.0, abs=0.02)
    whole_ml = np.prod(impact_grid.size) * impact_grid.voxel_ml
    assert row.volume_ml + rest.volume_ml == pytest.approx(whole_ml, rel=0.03)


def test_shares_of_all_regions_and_of_what_lies_in_none_add_up_to_one_though_the_labels_see_only_a_part() -> None:
    impact_grid = Grid((20, 20, 20), (3, 3, 3), (0, 0, 0))
    impact = np.random.default_rng(0).normal(size=impact_grid.shape).astype(np.float32)
    label_grid = Grid((30, 30, 30), (1, 1, 1), (10, 10, 10))
    labels = np.random.default_rng(1).integers(0, 4, label_grid.shape)
    rows = region_table(Volume(impact, impact_grid), labelmap_of(Volume(labels, label_grid)))
    assert [row.label for row in rows] == [1, 2, 3, 0]
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert sum(row.energy_share for row in rows) == pytest.approx(1)
    assert sum(row.volume_ml for row in rows) == pytest.approx(60**3 / 1000)  # all of the map's box
    assert rows[-1].share > 0.7  # seven eighths of the map's volume lie outside of the labelmap


def test_a_region_that_runs_out_of_the_map_says_how_much_of_it_is_covered() -> None:
    impact = Volume(np.full((10, 10, 10), 2.0, np.float32), Grid((10, 10, 10), (1, 1, 1), (0, 0, 0)))
    labels = Volume(np.ones((10, 10, 20), np.uint8), Grid((20, 10, 10), (1, 1, 1), (-15, 0, 0)))
    row, rest = region_table(impact, labelmap_of(labels))
    assert (row.volume_ml, row.covered) == (pytest.approx(2.0), pytest.approx(0.25))
    assert (row.mean, row.share, rest.share) == (2.0, 0.5, 0.5)


def test_segments_may_overlap_and_each_counts_its_own_voxels() -> None:
    grid = Grid((4, 1, 1), (1, 1, 1), (0, 0, 0))
    layers = tuple(Volume(np.array([[row]], np.uint8), grid) for row in ([1, 1, 2, 0], [0, 1, 0, 0]))
    labelmap = Labelmap(layers, (Region(1, "left"), Region(2, "right"), Region(1, "both", layer=1)))
    rows = by_name(region_table(Volume(np.array([[[1.0, 2, 3, 4]]]), grid), labelmap))
    assert {name: row.share for name, row in rows.items()} == pytest.approx(
        {"left": 0.3, "right": 0.3, "both": 0.2, "elsewhere": 0.4}
    )


def test_a_map_of_zeros_has_no_shares_and_regions_elsewhere_are_refused() -> None:
    grid = Grid((4, 4, 4), (1, 1, 1), (0, 0, 0))
    zeros = Volume(np.zeros(grid.shape, np.float32), grid)
    ones = labelmap_of(Volume(np.ones(grid.shape, np.uint8), grid))
    (row,) = region_table(zeros, ones)
    assert (row.share, row.energy_share, row.mean) == (0, 0, 0)
    with pytest.raises(UserError, match="None of the regions"):
        region_table(zeros, labelmap_of(Volume(np.ones(grid.shape, np.uint8), grid.cropped((50, 0, 0), grid.size))))
    with pytest.raises(ValueError, match="finite"):
        region_table(zeros.with_array(np.full(grid.shape, np.nan)), ones)


def test_the_file_starts_with_the_columns_of_the_contract_and_holds_every_number(tmp_path: Path) -> None:
    row = RegionImpact(3, "0 to 5 mm, outside", 1.25, -0.5, 0.25, 0.75, 0.125, -2.0, (1.5, -2.5, 3.5), 1.0)
    write_regions_csv(tmp_path / "regions.csv", [row])
    with (tmp_path / "regions.csv").open(newline="") as stream:
        header, values = csv.reader(stream)
    assert header[:5] == ["label", "name", "volume_ml", "mean", "share"]
    assert tuple(header) == COLUMNS
    assert values[:2] == ["3", "0 to 5 mm, outside"]
    assert [float(v) for v in values[2:]] == [1.25, -0.5, 0.25, 0.75, 0.125, -2.0, 1.5, -2.5, 3.5, 1.0]


def test_regions_are_named_by_the_segments_of_a_segmentation_and_else_by_their_numbers(
    tmp_path: Path, oblique_grid: Grid
) -> None:
    labels = np.zeros(oblique_grid.shape, np.uint8)
    labels[2:4, 3, 4] = 7
    labels[5, 6, 7] = 2
    segments = [Segment("a", "Tumour", 7, (1, 0, 0)), Segment("b", "Oedema", 2, (0, 1, 0))]
    write_segmentation(Volume(labels, oblique_grid), segments, tmp_path / "some.seg.nrrd")
    named = read_labelmap(tmp_path / "some.seg.nrrd")
    assert named.regions == (Region(7, "Tumour"), Region(2, "Oedema"))
    np.testing.assert_array_equal(named.layers[0].array, labels)
    assert named.layers[0].grid.is_close(oblique_grid)
    write_volume(Volume(labels, oblique_grid), tmp_path / "labels.nii.gz")
    assert read_labelmap(tmp_path / "labels.nii.gz").regions == (Region(2, "2"), Region(7, "7"))


def test_an_image_that_is_no_labelmap_is_refused(tmp_path: Path) -> None:
    grid = Grid((4, 4, 4), (1, 1, 1), (0, 0, 0))
    write_volume(Volume(np.full(grid.shape, 0.5, np.float32), grid), tmp_path / "grey.nii.gz")
    with pytest.raises(UserError, match="go down to -1000"):  # a CT
        labelmap_of(Volume(np.array([[[-1000, 40]]], np.int16), Grid((2, 1, 1), (1, 1, 1), (0, 0, 0))))
    with pytest.raises(UserError, match="not whole numbers"):
        read_labelmap(tmp_path / "grey.nii.gz")
    write_volume(Volume(np.zeros(grid.shape, np.uint8), grid), tmp_path / "empty.nrrd")
    with pytest.raises(UserError, match="no region"):
        read_labelmap(tmp_path / "empty.nrrd")
    (tmp_path / "broken.seg.nrrd").write_bytes(b"NRRD0004\nno header")
    with pytest.raises(UserError, match="cannot be read"):
        read_labelmap(tmp_path / "broken.seg.nrrd")
    with pytest.raises(UserError, match="There is no file"):
        read_labelmap(tmp_path / "missing.seg.nrrd")
