"""A planted metastasis: every part where it should be, as bright as it should be, and nothing anywhere else."""

from dataclasses import replace

import numpy as np
import pytest
from metastasis_brain import CENTER_RAS, GRIDS, LEVELS, OBLIQUE, STRAIGHT, UNITS, made_up_soil, radius_from
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.training.brain import CSF, WHITE
from LesionLensLib.training.metastases.appearance import draw_look
from LesionLensLib.training.metastases.fields import SmoothField
from LesionLensLib.training.metastases.lattice import distance_mm
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.mechanism import FailureMechanism
from LesionLensLib.training.metastases.oedema import Oedema
from LesionLensLib.training.metastases.placement import Seats
from LesionLensLib.training.metastases.shape import MetastasisShape, StarBody
from LesionLensLib.training.metastases.simulate import Plan, SimulatedPatient, plant, simulate_patient
from LesionLensLib.training.metastases.soil import tissue_units

PLACE = (CENTER_RAS[0] + 18.0, CENTER_RAS[1] + 2.0, CENTER_RAS[2] - 3.0)
EVEN = MetastasisRange(rim_unevenness=(0, 0), core_unevenness=(0, 0), oedema_unevenness=(0, 0), edge_mm=(0.3, 0.3))
SMALL = MetastasisRange(diameter_mm=(7.0, 14.0), lesions=(0.5, 0.5))
RADIUS_MM, REACH_MM = 7.0, 6.0


def ball_plan(mass_effect_mm: float = 0.0, reach_mm: float = REACH_MM, limits: MetastasisRange = EVEN) -> Plan:
    rng = np.random.default_rng(2)
    body = StarBody(PLACE, RADIUS_MM, np.eye(3), 0.0, SmoothField.draw(0.5, rng))
    shape = MetastasisShape(body, 0.6, 0.0, SmoothField.draw(0.5, rng), 1.0)
    look = replace(draw_look(limits, rng), rim=(0.9, 0.3), core=(-0.4, -0.2), oedema=(-0.2, 0.7))
    return Plan(shape, Oedema(reach_mm, 0.1, 0.0, SmoothField.draw(5.0, rng)), look, mass_effect_mm)


def planted(grid: Grid, plan: Plan | None = None, noise: float = 0.0) -> SimulatedPatient:
    return plant(made_up_soil(grid, noise), [plan or ball_plan()], 1, FailureMechanism())


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_core_rim_oedema_and_margins_are_the_shells_they_were_drawn_as(grid: Grid) -> None:
    masks = planted(grid).lesions[0].masks
    distance = radius_from(masks.grid, PLACE)
    voxel = max(grid.spacing_mm)
    assert (masks.core == (distance <= 0.6 * RADIUS_MM))[np.abs(distance - 0.6 * RADIUS_MM) > 0.5 * voxel].all()
    assert (masks.lesion == (distance <= RADIUS_MM))[np.abs(distance - RADIUS_MM) > 0.5 * voxel].all()
    assert not (masks.core & masks.rim).any()
    assert not (masks.oedema & masks.lesion).any()
    gap = distance_mm(masks.lesion, masks.grid)
    assert gap[masks.margin].min() > 1
    assert gap[masks.margin].max() <= 6
    assert np.array_equal(masks.planning_target, (gap <= 2) & (radius_from(masks.grid, CENTER_RAS) <= 34))


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_every_part_has_its_stated_level_over_white_matter_in_units_of_tissue_contrast(grid: Grid) -> None:
    patient = planted(grid)
    assert patient.units == pytest.approx(UNITS, rel=1e-3)
    distance = radius_from(grid, PLACE)
    parts = {
        "core": (distance < 2, (-0.4, -0.2), 0.05),
        "rim": (np.abs(distance - 5.7) < 0.35, (0.9, 0.3), 0.25),
    }
    for name, (where, levels, slack) in parts.items():
        for channel in range(2):
            seen = (patient.channels[channel][where].mean() - LEVELS[WHITE][channel]) / UNITS[channel]
            assert seen == pytest.approx(levels[channel], abs=slack), (name, channel)
    near = (np.abs(distance - 9) < 0.7) & (radius_from(grid, CENTER_RAS) < 27) & (radius_from(grid, CENTER_RAS) > 10)
    flair = (patient.channels[1][near].mean() - LEVELS[WHITE][1]) / UNITS[1]
    assert flair == pytest.approx(0.7 * (1 - 0.3 / 3), abs=0.08), "a third of the way to the front"


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_away_from_the_lesion_and_its_oedema_no_voxel_changes(grid: Grid) -> None:
    patient = planted(grid, noise=8.0)
    far = radius_from(grid, PLACE) > RADIUS_MM + REACH_MM + 1.5
    assert np.array_equal(patient.channels[:, far], patient.ground.channels[:, far])
    changed = np.abs(patient.channels - patient.ground.channels).max(axis=0) > 60
    assert changed.sum() * grid.voxel_ml > 1.5


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
@pytest.mark.parametrize("seed", range(3))
def test_simulated_oedema_is_never_in_fluid_and_every_part_is_in_the_brain(grid: Grid, seed: int) -> None:
    patient = simulate_patient(made_up_soil(grid), seed, SMALL)
    for lesion in patient.lesions:
        masks = lesion.masks.on(grid)
        assert not masks.oedema[patient.ground.tissue == CSF].any()
        for name, mask in masks.parts.items():
            assert not (mask & ~patient.brain).any(), name
        outline = ndimage.label(masks.lesion, np.ones((3, 3, 3)))[1]
        assert outline == 1


def test_the_same_seed_gives_the_same_patient_and_another_seed_another() -> None:
    first, again, other = (simulate_patient(made_up_soil(OBLIQUE), seed, SMALL) for seed in (4, 4, 5))
    assert np.array_equal(first.channels, again.channels)
    assert first.lesions[0].measures == again.lesions[0].measures
    assert [lesion.outcome for lesion in first.lesions] == [lesion.outcome for lesion in again.lesions]
    assert all(np.array_equal(a, b) for a, b in zip(
        first.lesions[0].masks.parts.values(), again.lesions[0].masks.parts.values(), strict=True
    ))  # fmt: skip
    assert first.lesions[0].plan.center_ras != other.lesions[0].plan.center_ras


def test_one_plan_on_two_grids_is_one_lesion() -> None:
    limits = MetastasisRange(oedema_unevenness=(0.4, 0.4))
    straight, oblique = (planted(grid, ball_plan(2.0, 9.0, limits)).lesions[0] for grid in (STRAIGHT, OBLIQUE))
    assert straight.measures.volume_ml == pytest.approx(oblique.measures.volume_ml, rel=0.04)
    assert straight.measures.necrosis_share == pytest.approx(oblique.measures.necrosis_share, abs=0.03)
    assert straight.measures.oedema_heterogeneity == pytest.approx(oblique.measures.oedema_heterogeneity, rel=0.2)
    assert straight.probability == pytest.approx(oblique.probability, abs=0.15)


def test_uneven_oedema_is_measured_as_uneven() -> None:
    unevenness = (0.0, 0.2, 0.4)
    plans = [ball_plan(0.0, 10.0, replace(EVEN, oedema_unevenness=(u, u))) for u in unevenness]
    found = [planted(STRAIGHT, plan).lesions[0].measures.oedema_heterogeneity for plan in plans]
    assert found[0] < 0.12
    assert found[1] > found[0] + 0.06
    assert found[2] > found[1] + 0.1


def test_a_mass_effect_moves_the_ventricle_and_leaves_the_lesion_where_it_was_planned() -> None:
    still, pushed = planted(STRAIGHT), planted(STRAIGHT, ball_plan(2.4))
    shift = [center_of_fluid(patient) for patient in (still, pushed)]
    assert shift[1][0] < shift[0][0] - 0.4, "the lesion lies to the right of it"
    assert pushed.lesions[0].measures.volume_ml == pytest.approx(still.lesions[0].measures.volume_ml)


def center_of_fluid(patient: SimulatedPatient) -> np.ndarray:
    fluid = patient.ground.tissue == CSF
    return patient.grid.ras_from_ijk(np.array(ndimage.center_of_mass(fluid))[::-1])


def test_two_lesions_keep_apart_and_share_no_voxel() -> None:
    limits = MetastasisRange(diameter_mm=(6.0, 8.0), lesions=(0.0, 1.0), bend_mm=(0, 0))
    patient = simulate_patient(made_up_soil(STRAIGHT), 7, limits)
    first, second = (lesion.masks.on(STRAIGHT) for lesion in patient.lesions)
    assert distance_mm(first.lesion, STRAIGHT)[second.lesion].min() > 6
    assert not (first.oedema & second.lesion).any()
    assert not (second.oedema & first.lesion).any()


def test_seats_are_mostly_at_the_junction_of_grey_and_white_matter() -> None:
    soil, rng = made_up_soil(OBLIQUE), np.random.default_rng(0)
    seats = Seats.of(soil.tissue, OBLIQUE)
    places = [seats.place(2.0, (), rng) for _ in range(60)]
    depth = np.linalg.norm(np.array(places) - CENTER_RAS, axis=1)
    assert ((depth > 24) & (depth < 31)).mean() > 0.6
    assert depth.max() < 34
    assert depth.min() > 5


def test_a_brain_without_room_has_no_seat() -> None:
    soil = made_up_soil(STRAIGHT)
    seats = Seats.of(np.where(soil.tissue == WHITE, CSF, soil.tissue).astype(np.uint8), STRAIGHT)
    assert seats.place(12.0, (), np.random.default_rng(0)) is None
    with pytest.raises(ValueError, match="no room"):
        simulate_patient(replace(soil, tissue=np.where(soil.brain, CSF, 0).astype(np.uint8)), 1, SMALL)


def test_units_are_those_of_the_tissues_whatever_the_gain() -> None:
    soil = made_up_soil(STRAIGHT, noise=0.0)
    assert tissue_units(3 * soil.channels, soil.tissue) == pytest.approx(3 * np.array(UNITS))
