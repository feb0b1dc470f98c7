"""The digital head: seeded, with the right order of brightness, lesions of the right size, and true masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.phantom import HeadPhantom, make_head_phantom, write_head_phantom
from LesionLensLib.phantom.anatomy import Anatomy, Tissue, build_anatomy


@pytest.fixture(scope="module")
def full() -> HeadPhantom:
    return make_head_phantom(0)


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    """The tissues behind the head of seed 0."""
    return build_anatomy(1.0, np.random.default_rng(0))


def test_the_same_seed_gives_the_same_voxels_and_another_seed_others(phantom: HeadPhantom) -> None:
    again, other = make_head_phantom(0, small=True), make_head_phantom(1, small=True)
    for name, volume in vars(phantom).items():
        np.testing.assert_array_equal(volume.array, getattr(again, name).array)
        assert volume.grid == getattr(again, name).grid
    assert not np.array_equal(phantom.FLAIR.array, other.FLAIR.array)
    assert not np.array_equal(phantom.lesion.array, other.lesion.array)


def test_each_scan_has_an_oblique_grid_of_its_own_and_the_masks_lie_on_that_of_flair(full: HeadPhantom) -> None:
    grids = [volume.grid for volume in full.channels.values()]
    assert len({grid.sha256() for grid in grids}) == 3
    for grid in grids:
        assert np.abs(np.reshape(grid.direction_lps, (3, 3))).max() < 0.9999
    assert full.FLAIR.grid.spacing_mm == (0.9, 0.9, 3.0)
    assert full.lesion.grid == full.brain.grid == full.FLAIR.grid
    straight = make_head_phantom(0, small=True, oblique=False).FLAIR.grid
    np.testing.assert_allclose(straight.direction_lps, np.eye(3).ravel(), atol=1e-12)


def test_the_lesions_number_15_to_30_and_hold_5_to_20_ml_inside_a_brain_of_adult_size(full: HeadPhantom) -> None:
    _, count = ndimage.label(full.lesion.array, np.ones((3, 3, 3)))
    assert 15 <= count <= 30
    assert 5.0 <= full.lesion.array.sum() * full.lesion.grid.voxel_ml <= 20.0
    assert 1300 <= full.brain.array.sum() * full.brain.grid.voxel_ml <= 1700
    assert full.brain.array[full.lesion.array > 0].all()


def pure_tissues(phantom: HeadPhantom, anatomy: Anatomy) -> dict[str, np.ndarray]:
    """Return masks of pure tissue: away from its own edge and from lesions."""
    lesion = resample(phantom.lesion, anatomy.grid, "nearest").array > 0
    near = ndimage.binary_dilation(lesion, iterations=3)
    depth = {Tissue.WHITE: 2, Tissue.GREY: 1, Tissue.CSF: 2}
    masks = {t.name: ndimage.binary_erosion(anatomy.tissue == t, iterations=n) & ~near for t, n in depth.items()}
    return {**masks, "LESION": ndimage.binary_erosion(lesion)}


def medians(volume: Volume, anatomy: Anatomy, masks: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the median brightness of each tissue relative to white matter."""
    image = resample(volume, anatomy.grid).array
    white = np.median(image[masks["WHITE"]])
    return {name.lower(): float(np.median(image[mask]) / white) for name, mask in masks.items()}


def test_brightness_follows_the_order_of_real_contrasts(full: HeadPhantom, anatomy: Anatomy) -> None:
    masks = pure_tissues(full, anatomy)
    t1, t2, flair = (medians(volume, anatomy, masks) for volume in full.channels.values())
    assert 1.0 > t1["grey"] > t1["csf"]
    assert t1["csf"] < t1["lesion"] < 1.0
    assert t2["csf"] > t2["lesion"] > t2["grey"] > 1.0
    assert flair["lesion"] > flair["grey"] > 1.0 > flair["csf"]
    # Real lesions: 1.43 and 1.45 times white matter in FLAIR, 0.64 and 0.77 in T1, 2.1 and 1.7 in T2.
    assert 1.3 < flair["lesion"] < 1.65
    assert 0.6 < t1["lesion"] < 0.9
    assert 1.5 < t2["lesion"] < 2.1
    assert t2["csf"] > 2.3
    assert flair["csf"] < 0.6


def test_the_background_carries_rician_noise_and_no_signal(full: HeadPhantom) -> None:
    corner = full.T2.array[:, :12, :12].astype(float)
    sigma = 0.035 * 345
    assert corner.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.05)
    assert corner.std() == pytest.approx(sigma * np.sqrt(2 - np.pi / 2), rel=0.06)


def test_scalp_and_skull_are_there_bright_fat_around_dark_bone(full: HeadPhantom, anatomy: Anatomy) -> None:
    t1 = resample(full.T1, anatomy.grid).array / 440.0
    above = anatomy.grid.ijk_from_ras((0, 0, 45))[2].astype(int)
    ring = t1[above]
    fat = ring[ndimage.binary_erosion(anatomy.tissue[above] == Tissue.FAT)]
    bone = ring[anatomy.tissue[above] == Tissue.BONE]
    assert np.median(fat) > 1.2 > 0.75 > np.median(bone)


def test_written_files_read_back_as_they_were(tmp_path: Path, phantom: HeadPhantom) -> None:
    paths = write_head_phantom(tmp_path / "case", seed=0, small=True)
    assert sorted(path.name for path in (tmp_path / "case").iterdir()) == sorted(
        f"{name}.nii.gz" for name in ("T1", "T2", "FLAIR", "lesion", "brain")
    )
    for name, path in paths.items():
        back: Volume = read_volume(path)
        np.testing.assert_array_equal(back.array, getattr(phantom, name).array)
        assert back.grid.is_close(getattr(phantom, name).grid, 1e-3)
