"""Anatomy of which T1 alone is known: the templates on disk, and their tissues."""

from pathlib import Path

import numpy as np
import pytest
from test_planting import GREY, LEVELS, WHITE, ball, made_up_brain

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume, write_volume
from LesionLensLib.manifest import ManifestRow, read_manifest
from LesionLensLib.training.brain import CSF
from LesionLensLib.training.open_anatomy import TEMPLATES, write_anatomy
from LesionLensLib.training.open_ms import write_manifest
from LesionLensLib.training.sources import read_anatomy

LEFT_HANDED = Grid((64, 64, 64), (1, 1, 1), (30, 20, -10), ((-1, 0, 0), (0, -1, 0), (0, 0, 1)))


def t1() -> np.ndarray:
    brain = made_up_brain(with_lesion=False, noise=0.0)
    return np.where(brain.brain, brain.channels[0], 0).astype(np.float32)


def test_tissues_are_told_apart_by_t1_and_a_voxel_between_two_levels_is_a_mixture(tmp_path: Path) -> None:
    image = t1()
    between = ball((32, 32, 14), 3)
    image[between] = (LEVELS[GREY][0] + LEVELS[WHITE][0]) / 2
    for name, array in (("T1", image), ("brain", (image > 0).astype(np.uint8))):
        write_volume(Volume(array, Grid((64, 64, 64), (1, 1, 1), (0, 0, 0))), tmp_path / f"{name}.nii.gz")
    row = ManifestRow("made-up", "made-up", "train", "", {n: tmp_path / f"{n}.nii.gz" for n in ("T1", "brain")})
    anatomy, shares = read_anatomy(row)
    corner = anatomy.grid.origin_lps
    offset = tuple(round(-c) for c in corner)
    inner = shares[:, offset[2] + 32, offset[1] + 32]
    assert inner[:, offset[0] + 32].argmax() == 0, "fluid in the middle"
    assert inner[2, offset[0] + 14] == pytest.approx(127, abs=25), "half white matter"
    assert inner[2, offset[0] + 46] > 240
    assert shares.sum(axis=0)[anatomy.brain].min() >= 253
    assert not shares[:, ~anatomy.brain].any()
    assert set(np.unique(anatomy.tissue)) == {0, CSF, GREY, WHITE}


def test_templates_become_rows_of_the_manifest_wherever_they_lie(tmp_path: Path) -> None:
    stray = np.zeros((64, 64, 64), np.float32)
    stray[0, 0, 0] = 900
    for name in TEMPLATES.values():
        (tmp_path / "templates" / name[:3]).mkdir(parents=True)
        write_volume(Volume(t1() + stray, LEFT_HANDED), tmp_path / "templates" / name[:3] / name)
    write_anatomy(tmp_path / "templates", tmp_path / "anatomy")
    brain = read_volume(tmp_path / "anatomy" / "colin27" / "brain.nii.gz")
    assert brain.grid.is_close(LEFT_HANDED)
    assert (brain.array > 0).sum() == (t1() > 0).sum(), "the stray voxel is not brain"
    for folder in ("train", "test_public", "native", "lesion_masks_only"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    write_manifest(tmp_path / "data", tmp_path / "manifest.csv", tmp_path / "anatomy")
    rows = read_manifest(tmp_path / "manifest.csv")
    assert [(row.case, row.split, sorted(row.files)) for row in rows] == [
        (case, "train", ["T1", "brain"]) for case in sorted(TEMPLATES)
    ]


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ch2bet"):
        write_anatomy(tmp_path, tmp_path / "anatomy")
