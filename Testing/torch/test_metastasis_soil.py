"""The brains that metastases are planted into: real ones, painted ones, phantoms; never a test patient."""

from pathlib import Path

import numpy as np
import pytest
import torch
from metastasis_brain import OBLIQUE, STRAIGHT, made_up_soil
from scipy import ndimage
from test_planting import LESION_LEVEL, made_up_brain

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.brain import CSF, GREY, WHITE
from LesionLensLib.training.contrast_synthesis import SynthesisRange
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.soil import tissue_units, white_level
from LesionLensLib.training.metastases.soil_sources import open_ms_rows, phantom_soil, read_soil, repainted

torch.set_num_threads(1)


def written_case(folder: Path, with_post: bool) -> ManifestRow:
    """A made-up visit on disk, on a left-handed grid, with a bright MS lesion to heal."""
    brain = made_up_brain()
    grid = Grid((64, 64, 64), (1, 1, 1), (30, 20, -10), (-1, 0, 0, 0, 1, 0, 0, 0, 1))
    images = dict(zip(("T1", "T2", "FLAIR"), np.maximum(brain.channels, 0), strict=True))
    if with_post:
        images["T1POST"] = np.where(brain.brain, 5000 - images["T1"], 0)
    masks = {"brain": brain.brain.astype(np.uint8), "lesion": brain.lesion.astype(np.uint8)}
    for name, array in {**images, **masks}.items():
        write_volume(Volume(array, grid), folder / f"{name}.nii.gz")
    return ManifestRow("made-up", "someone", "train", "", {n: folder / f"{n}.nii.gz" for n in (*images, *masks)})


@pytest.mark.parametrize("with_post", [True, False])
def test_a_visit_becomes_soil_healed_with_t1post_as_t1c_where_it_exists(tmp_path: Path, with_post: bool) -> None:
    soil = read_soil(written_case(tmp_path, with_post))
    assert soil.contrast_agent == with_post
    assert not soil.grid.is_left_handed
    lesion, healthy, fluid = (around(soil.grid, soil_point(i, 32, 32)) for i in (46, 18, 32))
    t1c, flair = soil.channels
    # N4 takes part of a brain made of concentric shells for shading; the lesion itself was 27 % darker on T1.
    assert flair[lesion].mean() == pytest.approx(flair[healthy].mean(), rel=0.15)
    assert flair[lesion].mean() < 0.75 * LESION_LEVEL[2], "the MS lesion is gone"
    assert t1c[lesion].mean() == pytest.approx(t1c[healthy].mean(), rel=0.15)
    assert (t1c[fluid].mean() > t1c[healthy].mean()) == with_post, "the made-up T1POST is a negative of T1"
    assert (soil.tissue[lesion] == WHITE).all()
    assert not soil.channels[:, ~soil.brain].any()


def around(grid: Grid, point_ras: np.ndarray) -> tuple[slice, ...]:
    spot = np.round(grid.ijk_from_ras(point_ras)).astype(int)
    return tuple(slice(n - 1, n + 2) for n in spot[::-1])


def soil_point(i: int, j: int, k: int) -> np.ndarray:
    """RAS of a voxel of the file: its grid starts at LPS (30, 20, -10), with i to the right."""
    return np.array([-(30 - i), -(20 + j), -10 + k])


def test_a_case_of_the_test_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="test case"):
        read_soil(ManifestRow("x", "x", "test", "", {}))


def test_the_rows_of_the_shared_data_hold_no_test_patient_and_no_tumour_data(ms_data: Path) -> None:
    rows = open_ms_rows(ms_data)
    assert "lj_p19" in {row.case for row in rows}
    assert not any("lj_p07" in str(path) for row in rows for path in row.files.values())
    assert not any("brain_tumour" in str(path) for row in rows for path in row.files.values())
    assert [row.case for row in rows if row.has("T1POST")] == ["lj_p19"]
    assert all(row.split == "train" for row in rows)


def test_another_visit_of_a_test_patient_is_left_out_as_well(tmp_path: Path) -> None:
    for folder in ("train/a", "test_public/b", "native/b_study1", "native/c_study1", "lesion_masks_only"):
        (tmp_path / folder).mkdir(parents=True)
    assert [row.case for row in open_ms_rows(tmp_path)] == ["a", "c_study1"]


def test_a_phantom_is_soil_with_its_own_tissues() -> None:
    soil = phantom_soil(0, 2.4)
    assert (soil.kind, soil.contrast_agent) == ("phantom", False)
    assert np.array_equal(soil.tissue > 0, soil.brain)
    levels = {n: [np.median(c[soil.tissue == n]) for c in soil.channels] for n in (CSF, GREY, WHITE)}
    assert levels[CSF][0] < levels[GREY][0] < levels[WHITE][0]
    assert levels[CSF][1] < levels[WHITE][1] < levels[GREY][1]
    assert (np.diag(np.reshape(soil.grid.direction_lps, (3, 3))) == 1).all()
    again = phantom_soil(0, 2.4)
    assert np.array_equal(again.channels, soil.channels)


def test_a_repainted_brain_keeps_its_tissues_and_changes_its_contrast() -> None:
    soil = made_up_soil(STRAIGHT)
    first, second = (repainted(soil, SynthesisRange(), np.random.default_rng(seed)) for seed in (0, 1))
    for painted in (first, second):
        assert painted.kind == "painted"
        assert np.array_equal(painted.tissue, soil.tissue)
        assert not painted.channels[:, ~soil.brain].any()
        assert (tissue_units(painted.channels, painted.tissue) > 300).all()
    assert not np.allclose(first.channels, second.channels, rtol=0.02)


def test_a_mirrored_brain_is_reversed_along_its_first_axis_and_a_varied_one_is_bent() -> None:
    soil = made_up_soil(OBLIQUE)
    soil.channels[0, 5:9, 20:30, 5:30] += 100 * soil.brain[5:9, 20:30, 5:30]
    mirror = soil.mirrored()
    assert mirror.grid == soil.grid
    assert np.array_equal(mirror.channels[0, :, :, 10], soil.channels[0, :, :, -11])
    varied = soil.varied(MetastasisRange(mirror_chance=0.0, bend_mm=(2.0, 2.0)), np.random.default_rng(0))
    assert np.array_equal(varied.brain, soil.brain)
    changed = (varied.tissue != soil.tissue)[soil.brain].mean()
    assert 0.01 < changed < 0.25


def test_white_level_follows_a_slow_change_of_brightness_and_ignores_fluid() -> None:
    soil = made_up_soil(OBLIQUE, noise=0.0)
    ramp = 1 + 0.004 * (OBLIQUE.ras_from_ijk(np.stack(np.meshgrid(
        *(np.arange(n) for n in OBLIQUE.shape), indexing="ij")[::-1], axis=-1))[..., 0] - 12)  # fmt: skip
    level = white_level((soil.channels * ramp).astype(np.float32), soil.tissue, OBLIQUE)
    middle = soil.tissue == CSF
    assert level[0][middle].mean() == pytest.approx(1000, rel=0.03)
    side = ball_of_white(soil.tissue)
    assert level[0][side] == pytest.approx((1000 * ramp)[side], rel=0.04)


def ball_of_white(tissue: np.ndarray) -> np.ndarray:
    return ndimage.binary_erosion(tissue == WHITE, iterations=6)
