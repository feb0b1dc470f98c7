"""Contours become masks: at the right place on every grid, with holes, and with a plain word where they cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_series
from pet_files import structure_set
from scipy.spatial.transform import Rotation

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid, flip_lps_ras
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.contours import rasterize_contours
from LesionLensLib.images.rtstruct import find_roi, find_tumour_roi, read_structure_set, roi_mask

PLAIN = Grid((20, 20, 6), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))
RADIUS_MM = 11.0


def square(low: float, high: float, z: float) -> np.ndarray:
    return np.array([[low, low, z], [high, low, z], [high, high, z], [low, high, z]], dtype=float)


def turned(left_handed: bool) -> np.ndarray:
    axes = Rotation.from_euler("xyz", (12, 25, -8), degrees=True).as_matrix()
    return axes @ np.diag([1, 1, -1]) if left_handed else axes


def oblique(left_handed: bool = True) -> Grid:
    return Grid((37, 30, 16), (0.8, 1.1, 2.3), (-31.5, 12.25, 7.75), tuple(turned(left_handed).ravel()))


def centre_lps(grid: Grid) -> np.ndarray:
    middle = (np.array(grid.size) - 1) / 2
    return grid.ijk_to_lps[:3] @ np.array([*middle, 1.0])


def ball_contours(centre: np.ndarray, axes: np.ndarray, heights_mm: np.ndarray) -> list[np.ndarray]:
    """Cut a ball by planes: circles of 720 points in the plane of the first two columns of `axes`, in LPS mm."""
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    circles = []
    for height in heights_mm[np.abs(heights_mm) < RADIUS_MM]:
        radius = np.sqrt(RADIUS_MM**2 - height**2)
        in_plane = radius * np.stack([np.cos(angles), np.sin(angles), np.full(720, height / radius)], axis=1)
        circles.append(centre + in_plane @ axes.T)
    return circles


def distances_mm(grid: Grid, centre: np.ndarray) -> np.ndarray:
    """The distance `(k, j, i)` of every voxel centre from a point in LPS."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    points = flip_lps_ras(grid.ras_from_ijk(np.stack([i, j, k], axis=-1)))
    return np.linalg.norm(points - centre, axis=-1)


@pytest.mark.parametrize("left_handed", [True, False])
def test_a_ball_drawn_on_the_slices_of_an_oblique_grid_comes_back_voxel_by_voxel(left_handed: bool) -> None:
    grid = oblique(left_handed)
    centre = centre_lps(grid)
    heights = (np.arange(16) - 7.5) * 2.3
    mask = rasterize_contours(ball_contours(centre, turned(left_handed), heights), grid)
    expected = distances_mm(grid, centre) < RADIUS_MM
    np.testing.assert_array_equal(mask, expected)
    assert mask.dtype == np.uint8
    assert mask.sum() * grid.voxel_ml == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3 / 1000, rel=0.01)


def test_a_ball_drawn_in_axial_planes_lies_right_on_an_oblique_left_handed_grid() -> None:
    grid = oblique()
    centre = centre_lps(grid)
    slice_mm = 1.5
    mask = rasterize_contours(ball_contours(centre, np.eye(3), np.arange(-20, 21) * slice_mm), grid)
    distance = distances_mm(grid, centre)
    # A slab is right at its middle plane; half a slice away the ball is wider or narrower by at most this much.
    worst_mm = RADIUS_MM - np.sqrt(RADIUS_MM**2 - 2 * RADIUS_MM * slice_mm / 2)
    assert mask[distance < RADIUS_MM - worst_mm].all()
    assert not mask[distance > RADIUS_MM + worst_mm].any()
    assert mask.sum() * grid.voxel_ml == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3 / 1000, rel=0.02)
    found = np.argwhere(mask)[:, ::-1].mean(axis=0)
    np.testing.assert_allclose(flip_lps_ras(grid.ras_from_ijk(found)), centre, atol=0.15)


def test_contours_in_sagittal_planes_are_filled_as_well() -> None:
    centre = np.array([9.0, 10.0, 5.0])
    grid = Grid((19, 21, 12), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    axes = np.eye(3)[:, [1, 2, 0]]
    contours = [centre + 0.4 * (c - centre) for c in ball_contours(centre, axes, np.arange(-4, 5) / 0.4)]
    np.testing.assert_array_equal(rasterize_contours(contours, grid), distances_mm(grid, centre) < 0.4 * RADIUS_MM)


def test_voxels_are_judged_at_their_centres() -> None:
    mask = rasterize_contours([square(2.4, 6.6, 4.0)], PLAIN)
    expected = np.zeros(PLAIN.shape, np.uint8)
    expected[2, 3:7, 3:7] = 1
    np.testing.assert_array_equal(mask, expected)


def test_a_contour_inside_another_is_a_hole_and_one_in_the_hole_is_filled_again() -> None:
    rings = [square(0.5, 14.5, 4.0), square(3.5, 11.5, 4.0)[::-1], square(5.5, 8.5, 4.0)]
    mask = rasterize_contours(rings, PLAIN)
    assert mask.sum() == 14 * 14 - 8 * 8 + 3 * 3
    assert (mask[2, 7, 1], mask[2, 7, 4], mask[2, 7, 7]) == (1, 0, 1)
    np.testing.assert_array_equal(rasterize_contours(rings[::-1], PLAIN), mask)


def test_a_keyhole_is_a_hole_too() -> None:
    outer, inner = square(0.5, 10.5, 4.0), square(3.5, 6.5, 4.0)
    keyhole = np.concatenate([outer, outer[:1], inner, inner[:1]])
    np.testing.assert_array_equal(rasterize_contours([keyhole], PLAIN), rasterize_contours([outer, inner], PLAIN))


def test_two_contours_in_one_slice_and_others_in_the_next_are_all_filled() -> None:
    mask = rasterize_contours([square(0.5, 3.5, 4.0), square(9.5, 14.5, 4.0), square(0.5, 3.5, 6.0)], PLAIN)
    assert [int(m.sum()) for m in mask] == [0, 0, 9 + 25, 9, 0, 0]


def test_contours_that_share_an_edge_through_voxel_centres_give_each_voxel_to_one_of_them() -> None:
    left = np.array([[2, 2, 4], [7, 2, 4], [7, 9, 4], [2, 9, 4]], dtype=float)
    right = left + np.array([5.0, 0.0, 0.0])
    masks = [rasterize_contours([c], PLAIN) for c in (left, right)]
    assert (masks[0] + masks[1]).max() == 1
    assert [int(m.sum()) for m in masks] == [35, 35]
    np.testing.assert_array_equal(rasterize_contours([left, right], PLAIN), masks[0] + masks[1])


def test_a_contour_that_stands_in_the_file_twice_does_not_erase_itself() -> None:
    assert rasterize_contours([square(2.4, 6.6, 4.0), square(2.4, 6.6, 4.0)], PLAIN).sum() == 16


def test_contours_on_every_second_slice_reach_to_the_middle_between_them() -> None:
    mask = rasterize_contours([square(0.5, 3.5, z) for z in (0.0, 4.0, 8.0)], PLAIN)
    assert [int(m.any()) for m in mask] == [1, 1, 1, 1, 1, 0]


def test_a_slice_that_was_left_out_stays_empty() -> None:
    mask = rasterize_contours([square(0.5, 3.5, z) for z in (0.0, 2.0, 6.0, 8.0)], PLAIN)
    assert [int(m.any()) for m in mask] == [1, 1, 0, 1, 1, 0]


def test_on_thicker_slices_than_it_was_drawn_on_a_region_keeps_its_place() -> None:
    mask = rasterize_contours([square(0.5, 3.5, z) for z in np.arange(3.1, 7.0, 0.5)], PLAIN)
    assert [int(m.any()) for m in mask] == [0, 0, 1, 1, 0, 0]


def test_rounded_coordinates_change_nothing() -> None:
    grid = oblique()
    contours = ball_contours(centre_lps(grid), turned(True), (np.arange(16) - 7.5) * 2.3)
    exact, rounded = (rasterize_contours(c, grid) for c in (contours, [np.round(c, 2) for c in contours]))
    assert (exact != rounded).sum() <= 0.002 * exact.sum()


def test_what_lies_outside_the_image_is_cut_off() -> None:
    mask = rasterize_contours([square(15.5, 40.0, 4.0)], PLAIN)
    assert mask.sum() == 16


def test_contours_that_are_not_flat_or_not_parallel_are_refused() -> None:
    bent = square(0.5, 9.5, 4.0)
    bent[0, 2] += 3.0
    with pytest.raises(UserError, match="not flat"):
        rasterize_contours([bent], PLAIN)
    with pytest.raises(UserError, match="not parallel"):
        rasterize_contours([square(0.5, 9.5, 4.0), square(0.5, 9.5, 4.0)[:, [0, 2, 1]]], PLAIN)


def test_contours_of_fewer_than_three_points_or_on_one_line_enclose_nothing() -> None:
    line = np.array([[0.0, 0, 4], [5, 5, 4], [9, 9, 4]])
    assert not rasterize_contours([line[:2], line[:1]], PLAIN).any()
    assert not rasterize_contours([line], PLAIN).any()


def save(tmp_path: Path, rois: dict[str, list[np.ndarray]], **options: str) -> Path:
    path = tmp_path / "rt.dcm"
    structure_set(rois, **options).save_as(path, enforce_file_format=True)
    return path


IMAGE = Volume(np.zeros(PLAIN.shape, np.int16), PLAIN)


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_a_structure_set_on_disk_becomes_a_mask_on_the_image_it_was_drawn_on(tmp_path: Path, kind: str) -> None:
    image = read_volume(write_series(IMAGE, tmp_path / "ct"))
    structures = read_structure_set(save(tmp_path, {"GTV_Mass": [square(2.4, 6.6, 4.0)]}, kind=kind))
    mask = roi_mask(structures, find_roi(structures, "gtv_mass"), image)
    assert mask.array.sum() == 16
    assert mask.grid == image.grid
    assert mask.header["patient_hash"] == image.header["patient_hash"]
    assert "Doe" not in repr((dict(mask.header), structures))


def test_the_only_structure_set_of_a_folder_is_found_and_two_are_a_question(tmp_path: Path) -> None:
    write_series(IMAGE, tmp_path / "s")
    save(tmp_path / "s", {"GTV_Mass": [square(2.4, 6.6, 4.0)]}, series_uid="1.2.3")
    assert read_structure_set(tmp_path / "s").series_uids == ("1.2.3",)
    (tmp_path / "s" / "copy.dcm").write_bytes((tmp_path / "s" / "rt.dcm").read_bytes())
    with pytest.raises(UserError, match="holds 2 RT structure sets"):
        read_structure_set(tmp_path / "s")
    with pytest.raises(UserError, match="holds no RT structure set"):
        read_structure_set(write_series(IMAGE, tmp_path / "t"))


def test_contours_of_another_frame_of_reference_are_refused_unless_asked_for(tmp_path: Path) -> None:
    image = read_volume(write_series(IMAGE, tmp_path / "ct"))
    structures = read_structure_set(save(tmp_path, {"GTV": [square(2.4, 6.6, 4.0)]}, frame_uid="1.2.3.4"))
    with pytest.raises(UserError, match="another frame of reference"):
        roi_mask(structures, structures.rois[0], image)
    assert roi_mask(structures, structures.rois[0], image, any_frame=True).array.sum() == 16


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["GTV_Mass", "GTV_Edema"], "GTV_Mass"),
        (["GTV_Edema", "GTV_Mass"], "GTV_Mass"),
        (["GTV_Res+edema", "GTV_Research"], "GTV_Research"),
        (["Bladder", "GTV_Mass_CT", "GTV_Edema_CT"], "GTV_Mass_CT"),
        (["External", "gtv mass", "GTV"], "gtv mass"),
        (["Tumor", "Oedema of tumour"], "Tumor"),
    ],
)
def test_the_mass_is_chosen_by_name_whatever_its_number(tmp_path: Path, names: list[str], chosen: str) -> None:
    structures = read_structure_set(save(tmp_path, {name: [square(1, 5, 0)] for name in names}))
    assert find_tumour_roi(structures).name == chosen


def test_no_tumour_or_several_is_an_error_that_lists_the_regions(tmp_path: Path) -> None:
    structures = read_structure_set(save(tmp_path, {"Bladder": [square(1, 5, 0)], "Bone": []}))
    with pytest.raises(UserError, match=r"does not hold a tumour; its regions are Bladder, Bone"):
        find_tumour_roi(structures)
    with pytest.raises(UserError, match=r"does not hold a region named Liver"):
        find_roi(structures, "Liver")
    several = read_structure_set(save(tmp_path, {"GTV1": [square(1, 5, 0)], "GTV2": [square(1, 5, 0)]}))
    with pytest.raises(UserError, match=r"holds 2 regions .* GTV1, GTV2"):
        find_tumour_roi(several)


def test_points_open_lines_and_undrawn_regions_are_refused_when_they_are_asked_for(tmp_path: Path) -> None:
    structures = read_structure_set(save(tmp_path, {"GTV": [square(1, 5, 4)]}, kind="OPEN_PLANAR"))
    with pytest.raises(UserError, match=r"open lines \(OPEN_PLANAR\)"):
        roi_mask(structures, structures.rois[0], IMAGE)
    empty = read_structure_set(save(tmp_path, {"GTV": []}))
    with pytest.raises(UserError, match="has no contours"):
        roi_mask(empty, empty.rois[0], IMAGE)


def test_contours_beside_the_image_are_an_error_and_not_an_empty_mask(tmp_path: Path) -> None:
    structures = read_structure_set(save(tmp_path, {"GTV": [square(100, 120, 4)]}))
    with pytest.raises(UserError, match="covers no voxel"):
        roi_mask(structures, structures.rois[0], IMAGE)


def test_damaged_contours_and_foreign_files_are_user_errors(tmp_path: Path) -> None:
    data = structure_set({"GTV": [square(1, 5, 4)]})
    data.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 7
    data.save_as(tmp_path / "cut.dcm", enforce_file_format=True)
    (tmp_path / "text.dcm").write_text("no DICOM")
    image = next(write_series(IMAGE, tmp_path / "ct").iterdir())
    for path, words in ((tmp_path / "cut.dcm", "damaged"), (tmp_path / "text.dcm", "no DICOM"), (image, "no RT")):
        with pytest.raises(UserError, match=words):
            read_structure_set(path)
    with pytest.raises(UserError, match="There is no file"):
        read_structure_set(tmp_path / "nothing.dcm")


def test_the_contour_of_a_real_tumour_drawn_on_pet_is_the_same_on_pet_and_agrees_with_the_one_on_ct(
    data_root: Path,
) -> None:
    folder = data_root / "sarcoma_petct" / "native" / "STS_024"
    if not folder.is_dir():
        pytest.skip("no native PET-CT case in the data folder")
    contourpy = pytest.importorskip("contourpy")
    pet, ct = (read_volume(folder / f"{name}_mask.nii.gz") for name in ("PET", "CT"))
    contours = []
    for k, plane in enumerate(np.pad(pet.array != 0, ((0, 0), (1, 1), (1, 1))).astype(float)):
        for line in contourpy.contour_generator(z=plane).lines(0.5):
            ijk = np.column_stack([line - 1.0, np.full(len(line), float(k))])
            contours.append(flip_lps_ras(pet.grid.ras_from_ijk(ijk)))
    np.testing.assert_array_equal(rasterize_contours(contours, pet.grid), pet.array != 0)
    on_ct, drawn = rasterize_contours(contours, ct.grid) != 0, ct.array != 0
    assert on_ct.sum() * ct.grid.voxel_ml == pytest.approx((pet.array != 0).sum() * pet.grid.voxel_ml, rel=0.03)
    assert 2.0 * (on_ct & drawn).sum() / (on_ct.sum() + drawn.sum()) > 0.88
