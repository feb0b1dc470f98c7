"""The digital thigh: seeded, with levels as in real PET and CT, and a tumour where the mask says it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from LesionLensLib.images import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inputs.check_pet import check_pet
from LesionLensLib.phantom import ThighPhantom, make_thigh_phantom, write_thigh_phantom
from LesionLensLib.phantom.thigh_anatomy import ThighAnatomy, ThighTissue, build_thighs

CORE = np.ones((3, 3, 3))


@pytest.fixture(scope="module")
def full() -> ThighPhantom:
    return make_thigh_phantom(0)


@pytest.fixture(scope="module")
def anatomy() -> ThighAnatomy:
    """The tissues behind the thighs of seed 0."""
    return build_thighs(1.5, np.random.default_rng(0))


@pytest.fixture(scope="module")
def small() -> ThighPhantom:
    return make_thigh_phantom(0, small=True)


def levels(anatomy: ThighAnatomy, full: ThighPhantom, tissue: ThighTissue, voxels: int) -> tuple[float, float]:
    """Return the medians of HU and SUV in a tissue, at least this many voxels away from its edge."""
    mask = ndimage.binary_erosion(anatomy.tissue == tissue, CORE, iterations=voxels)
    mask[:12] = mask[-12:] = False
    images = (resample(volume, anatomy.grid).array for volume in (full.CT, full.PET))
    hu, suv = (float(np.median(image[mask])) for image in images)
    return hu, suv


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(small: ThighPhantom) -> None:
    again, other = make_thigh_phantom(0, small=True), make_thigh_phantom(1, small=True)
    for name, volume in vars(small).items():
        assert volume.array.tobytes() == getattr(again, name).array.tobytes()
        assert volume.grid == getattr(again, name).grid
        assert not np.array_equal(volume.array, getattr(other, name).array)


def test_both_scans_are_oblique_on_grids_of_their_own_and_the_pet_is_left_handed(full: ThighPhantom) -> None:
    axes = {role: np.reshape(volume.grid.direction_lps, (3, 3)) for role, volume in full.channels.items()}
    assert np.linalg.det(axes["CT"]) == pytest.approx(1)
    assert np.linalg.det(axes["PET"]) == pytest.approx(-1)
    assert all(np.abs(matrix).max() < 0.9999 for matrix in axes.values())
    assert full.CT.grid.spacing_mm == (1.2, 1.2, 3.0)
    assert full.PET.grid.spacing_mm == (4.5, 4.5, 4.0)
    assert full.lesion.grid == full.CT.grid
    assert full.PET.grid.overlap_fraction(full.CT.grid) > 0.8


def test_hounsfield_units_and_suv_of_the_healthy_tissues_are_those_of_patients(
    full: ThighPhantom, anatomy: ThighAnatomy
) -> None:
    muscle_hu, muscle_suv = levels(anatomy, full, ThighTissue.MUSCLE, 3)
    fat_hu, fat_suv = levels(anatomy, full, ThighTissue.FAT, 2)
    bone_hu, _ = levels(anatomy, full, ThighTissue.CORTEX, 1)
    assert 45 < muscle_hu < 65
    assert -120 < fat_hu < -90
    assert bone_hu > 900
    assert 0.5 < muscle_suv < 0.9
    assert fat_suv < 0.45
    corner = full.CT.array[:, :15, :15]
    assert np.median(corner) == pytest.approx(-1000, abs=3)
    assert full.PET.array.min() >= 0
    assert check_pet(full.PET) == ()


def test_both_femora_are_tubes_of_cortex_around_marrow_through_every_slice(anatomy: ThighAnatomy) -> None:
    for tissue in anatomy.tissue[::20]:
        for half in (tissue[:, : tissue.shape[1] // 2], tissue[:, tissue.shape[1] // 2 :]):
            bone = np.isin(half, (ThighTissue.CORTEX, ThighTissue.MARROW))
            radius_mm = np.sqrt(bone.sum() * 1.5**2 / np.pi)
            assert 12 < radius_mm < 18
            assert ndimage.binary_fill_holes(half == ThighTissue.CORTEX).sum() == bone.sum()


@pytest.mark.parametrize("seed", range(6))
def test_the_tumour_of_every_seed_is_one_piece_of_5_to_12_cm_inside_one_limb(seed: int) -> None:
    phantom = make_thigh_phantom(seed, small=True)
    mask = phantom.lesion.array > 0
    _, parts = ndimage.label(mask, CORE)
    assert parts == 1
    k, j, i = np.nonzero(mask)
    places = phantom.lesion.grid.ras_from_ijk(np.stack([i, j, k], axis=-1))
    assert 50 < pdist(places[:: max(1, len(places) // 1200)]).max() < 120
    assert len(np.unique(np.sign(places[:, 0]))) == 1
    # Air that is closed off by the mask's surroundings would mean that the tumour breaks through the skin.
    assert phantom.CT.array[ndimage.binary_dilation(mask, CORE)].min() > -300


def test_the_living_tumour_is_many_times_hotter_than_muscle_and_its_core_is_not(
    full: ThighPhantom, anatomy: ThighAnatomy
) -> None:
    _, muscle_suv = levels(anatomy, full, ThighTissue.MUSCLE, 3)
    tumour_hu, tumour_suv = levels(anatomy, full, ThighTissue.TUMOUR, 3)
    necrosis_hu, necrosis_suv = levels(anatomy, full, ThighTissue.NECROSIS, 4)
    assert 4 < tumour_suv < 12
    assert tumour_suv > 5 * muscle_suv
    assert necrosis_suv < 0.6 * tumour_suv
    assert necrosis_hu < tumour_hu < 56
    inside = resample(full.PET, full.lesion.grid).array[full.lesion.array > 0]
    # 34 real tumours: three quarters have a 95th percentile of SUV below 8.6, the hottest twentieth above 13.
    assert 3.4 < np.percentile(inside, 95) < 13
    assert inside.std() > 0.8


def test_the_mask_lies_in_the_world_where_the_tumour_was_planted(full: ThighPhantom, anatomy: ThighAnatomy) -> None:
    planted = np.isin(anatomy.tissue, (ThighTissue.TUMOUR, ThighTissue.NECROSIS))
    mask = resample(full.lesion, anatomy.grid, "nearest").array > 0
    assert 2 * (planted & mask).sum() / (planted.sum() + mask.sum()) > 0.95
    i, j, k = np.round(full.lesion.grid.ijk_from_ras(anatomy.tumour.center_ras)).astype(int)
    assert full.lesion.array[k, j, i] == 1
    side = np.sign(anatomy.tumour.center_ras[0])
    assert full.lesion.grid.ras_from_ijk((i, j, k))[0] * side > 40


@pytest.mark.parametrize("name", ["full", "small"])
def test_uptake_on_the_grid_of_the_pet_and_the_mask_on_that_of_the_ct_meet_in_space(
    name: str, request: pytest.FixtureRequest
) -> None:
    phantom: ThighPhantom = request.getfixturevalue(name)
    hot = phantom.PET.array > 2.5
    k, j, i = np.nonzero(hot)
    on_pet = phantom.PET.grid.ras_from_ijk(np.stack([i, j, k], axis=-1))
    k, j, i = np.round(phantom.lesion.grid.ijk_from_ras(on_pet)).astype(int).T[::-1]
    near = ndimage.binary_dilation(phantom.lesion.array > 0, CORE, iterations=2)
    assert near[k, j, i].mean() > 0.97
    filled = ndimage.binary_closing(resample(phantom.PET, phantom.lesion.grid).array > 2.0, CORE, iterations=4)
    assert filled[phantom.lesion.array > 0].mean() > 0.85


def test_written_files_read_back_as_they_were(tmp_path: Path, small: ThighPhantom) -> None:
    paths = write_thigh_phantom(tmp_path / "case", seed=0, small=True)
    assert sorted(path.name for path in (tmp_path / "case").iterdir()) == ["CT.nii.gz", "PET.nii.gz", "lesion.nii.gz"]
    for name, path in paths.items():
        back = read_volume(path)
        np.testing.assert_array_equal(back.array, getattr(small, name).array)
        assert back.grid.is_close(getattr(small, name).grid, 1e-3)
