"""The box around a brain lesion as the network sees it: place, values, outline, several lesions, a point alone."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from metastasis_brain import CENTER_RAS, GRIDS, OBLIQUE, STRAIGHT, made_up_soil, radius_from

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.inference.brain_lesion_input import (
    BrainScores,
    describe_lesion,
    lesion_box,
    lesion_boxes,
    network_input,
    score_brain,
)
from LesionLensLib.inference.field_of_view import FieldOfView
from LesionLensLib.outcome.case_description import IN_LESION

ROLES = ("T1c", "FLAIR")
SPOT = (20.0, -12.0, 28.0)
OTHER = (2.0, -40.0, 36.0)
VIEW = FieldOfView((32.0, 32.0, 32.0), 1.0, 16)


def volumes_on(grid: Grid) -> tuple[dict[str, Volume], Volume]:
    """T1c and FLAIR of the made-up brain with bright balls at both places, and the brain."""
    soil = made_up_soil(grid)
    ball = (radius_from(grid, SPOT) <= 5) | (radius_from(grid, OTHER) <= 3)
    images = {role: Volume(np.where(ball, 1400.0, c), grid) for role, c in zip(ROLES, soil.channels, strict=True)}
    return images, Volume(soil.brain.astype(np.uint8), grid)


def scores_on(grid: Grid) -> BrainScores:
    images, brain = volumes_on(grid)
    return score_brain(images, ROLES, "T1c", brain, 1.0, "brain-scores")


def mask_on(grid: Grid, *balls: tuple[tuple[float, float, float], float]) -> Volume:
    inside = np.zeros(grid.shape, bool)
    for center, radius in balls:
        inside |= radius_from(grid, center) <= radius
    return Volume(inside.astype(np.uint8), grid)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_the_lesion_lies_in_the_middle_of_its_box_along_patient_axes(grid: Grid) -> None:
    box = lesion_box(scores_on(grid), VIEW, mask_on(grid, (SPOT, 5.0)))
    assert box.images.shape == (2, 32, 32, 32)
    assert box.grid.spacing_mm == (1.0, 1.0, 1.0)
    assert not box.grid.is_left_handed
    assert (np.diag(np.reshape(box.grid.direction_lps, (3, 3))) > 0.5).all()
    middle = box.grid.ras_from_ijk([15.5] * 3)
    assert np.abs(middle - SPOT).max() < 1.0
    assert box.center_ras == pytest.approx(SPOT, abs=0.15)
    assert box.lesion is not None
    found = box.grid.ras_from_ijk(np.argwhere(box.lesion)[:, ::-1].mean(axis=0))
    assert found == pytest.approx(SPOT, abs=0.3)
    expected_ml = 4 / 3 * np.pi * 0.5**3
    assert box.lesion.sum() * box.grid.voxel_ml == pytest.approx(expected_ml, rel=0.15)
    assert box.volume_ml == pytest.approx(expected_ml, rel=0.1)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_values_are_scores_of_the_whole_brain_and_0_outside_of_it(grid: Grid) -> None:
    scores = scores_on(grid)
    soil = made_up_soil(STRAIGHT)
    level = {"white": 1000.0}
    inside = scores.images[0][scores.brain]
    usual = np.clip(inside, *np.percentile(inside, (0.5, 99.5)))
    assert float(usual.mean()) == pytest.approx(0, abs=1e-3)
    assert float(usual.std()) == pytest.approx(1, abs=1e-3)
    box = lesion_box(scores, VIEW, mask_on(grid, (SPOT, 5.0)))
    radius = radius_from(box.grid, CENTER_RAS)
    assert not box.images[:, radius > 36].any()
    assert not box.brain[radius > 36].any()
    deep = (np.abs(radius - 15) < 3) & (radius_from(box.grid, SPOT) > 8)
    brain = soil.channels[0][soil.brain]
    expected = (level["white"] - brain.mean()) / brain.std()
    assert box.images[0][deep].mean() == pytest.approx(expected, abs=0.1)
    core = radius_from(box.grid, SPOT) < 3
    bright = (1400 - brain.mean()) / brain.std()
    assert box.images[0][core].mean() == pytest.approx(bright, abs=0.15), "the brightest 0.5 % are not cut off"


def test_the_same_brain_on_two_grids_gives_the_same_box() -> None:
    views = [lesion_box(scores_on(grid), VIEW, mask_on(grid, (SPOT, 5.0))) for grid in (STRAIGHT, OBLIQUE)]
    oblique = views[1]
    points = views[0].grid.ras_from_ijk([[15, 15, 15], [10, 18, 15], [20, 12, 17]])
    for point in points:
        one, other = (
            box.images[(slice(None), *np.rint(box.grid.ijk_from_ras(point)).astype(int)[::-1])] for box in views
        )
        assert one == pytest.approx(other, abs=0.35, rel=0.1)
    assert oblique.lesion is not None
    assert views[0].lesion is not None
    assert oblique.lesion.sum() == pytest.approx(int(views[0].lesion.sum()), rel=0.1)


def test_shading_of_a_coil_is_divided_out_where_the_card_asks_for_it() -> None:
    images, brain = volumes_on(STRAIGHT)
    k = np.linspace(0.75, 1.25, STRAIGHT.shape[0], dtype=np.float32)[:, None, None]
    shaded = {**images, "T1c": images["T1c"].with_array(images["T1c"].array * k)}
    radius = radius_from(STRAIGHT, CENTER_RAS)
    white = (radius > 12) & (radius < 26) & (radius_from(STRAIGHT, SPOT) > 8) & (radius_from(STRAIGHT, OTHER) > 6)
    plain, corrected = (
        score_brain(shaded, ROLES, "T1c", brain, 1.0, name).images[0] for name in ("brain-scores", "n4-brain-scores")
    )
    assert corrected[white].std() < 0.6 * plain[white].std()


def test_a_channel_of_another_grid_is_brought_in_by_its_transform() -> None:
    images, brain = volumes_on(STRAIGHT)
    shift = (6.0, -4.0, 3.0)
    moved_grid = Grid(
        OBLIQUE.size, OBLIQUE.spacing_mm, tuple(np.add(OBLIQUE.origin_lps, shift)), OBLIQUE.direction_lps
    )
    elsewhere = {**images, "FLAIR": Volume(volumes_on(OBLIQUE)[0]["FLAIR"].array, moved_grid)}
    transform = sitk.TranslationTransform(3, shift)
    right = score_brain(elsewhere, ROLES, "T1c", brain, 1.0, "brain-scores", {"FLAIR": transform})
    wrong = score_brain(elsewhere, ROLES, "T1c", brain, 1.0, "brain-scores")
    core = radius_from(right.grid, SPOT) < 3
    assert right.images[1][core].mean() > 2
    assert wrong.images[1][core].mean() < right.images[1][core].mean() - 0.5


def test_every_lesion_of_a_mask_has_a_box_with_its_own_outline_alone() -> None:
    boxes = lesion_boxes(scores_on(OBLIQUE), mask_on(OBLIQUE, (SPOT, 5.0), (OTHER, 3.0)), VIEW)
    assert len(boxes) == 2
    for box, place, radius in zip(boxes, (SPOT, OTHER), (5.0, 3.0), strict=True):
        assert box.center_ras == pytest.approx(place, abs=0.3)
        assert box.lesion is not None
        assert not box.lesion[radius_from(box.grid, place) > radius + 1.5].any()
        assert box.volume_ml == pytest.approx(4e-3 / 3 * np.pi * radius**3, rel=0.2)
    one = lesion_boxes(scores_on(OBLIQUE), mask_on(OBLIQUE, (SPOT, 5.0), (OTHER, 3.0)), VIEW, min_volume_ml=0.3)
    assert len(one) == 1


def test_a_margin_shows_more_of_the_same() -> None:
    mask = mask_on(OBLIQUE, (SPOT, 5.0))
    narrow, wide = (lesion_box(scores_on(OBLIQUE), VIEW, mask, margin=margin) for margin in (0, 4))
    assert wide.images.shape == (2, 40, 40, 40)
    assert np.array_equal(wide.images[:, 4:-4, 4:-4, 4:-4], narrow.images)


def test_a_point_gives_a_box_without_an_outline() -> None:
    box = lesion_box(scores_on(OBLIQUE), VIEW, center_ras=SPOT)
    assert (box.lesion, box.volume_ml) == (None, None)
    seen = network_input(box.images, box.lesion)
    assert seen.shape == (3, 32, 32, 32)
    assert not seen[2].any()
    assert np.array_equal(seen[:2], box.images)
    described = describe_lesion(box)
    assert described.volume_ml is None
    assert set(described.intensities) == {"T1c", "FLAIR"}


def test_a_case_is_described_by_the_scores_of_its_brain_and_lesion() -> None:
    box = lesion_box(scores_on(OBLIQUE), VIEW, mask_on(OBLIQUE, (SPOT, 5.0)))
    described = describe_lesion(box, [1.0, 2.0])
    assert set(described.intensities) == {*ROLES, *(IN_LESION.format(role) for role in ROLES)}
    median = described.intensities["T1c"][3]
    assert median == pytest.approx(float(np.median(box.images[0][box.brain])))
    assert described.intensities[IN_LESION.format("T1c")][3] > median + 0.5
    assert described.volume_ml == box.volume_ml
    assert described.features == ((1.0, 2.0),)


def test_a_lesion_smaller_than_a_voxel_is_still_seen() -> None:
    coarse = Grid((36, 33, 30), (2.0, 2.0, 2.5), OBLIQUE.origin_lps, OBLIQUE.direction_lps)
    images, brain = volumes_on(coarse)
    scores = score_brain(images, ROLES, "T1c", brain, 2.0, "brain-scores")
    tiny = mask_on(STRAIGHT, (SPOT, 0.9))
    box = lesion_box(scores, FieldOfView((32.0, 32.0, 32.0), 2.0, 16), tiny)
    assert box.lesion is not None
    assert 1 <= box.lesion.sum() <= 2
    assert box.volume_ml == tiny.array.sum() / 1000


@pytest.mark.parametrize(
    ("center", "complaint"), [((300.0, 0.0, 0.0), "no brain where"), ((12.0, -20.0, 75.0), "no brain where")]
)
def test_a_place_away_from_the_brain_is_refused(center: tuple[float, float, float], complaint: str) -> None:
    small = FieldOfView((16.0, 16.0, 16.0), 1.0, 16)
    with pytest.raises(UserError, match=complaint):
        lesion_box(scores_on(STRAIGHT), small, center_ras=center)


def test_empty_masks_and_unknown_normalisations_are_refused() -> None:
    images, brain = volumes_on(STRAIGHT)
    with pytest.raises(UserError, match="mask is empty"):
        lesion_boxes(scores_on(STRAIGHT), brain.with_array(np.zeros_like(brain.array)), VIEW)
    with pytest.raises(UserError, match="no normalisation magic"):
        score_brain(images, ROLES, "T1c", brain, 1.0, "magic")
    with pytest.raises(ValueError, match="another spacing"):
        lesion_box(scores_on(STRAIGHT), FieldOfView((32.0, 32.0, 32.0), 2.0, 16), center_ras=SPOT)
