"""Plant metastases into a brain: shape, mass effect, oedema, look, and the truth about every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from LesionLensLib.geometry import Grid
from LesionLensLib.training.brain import BoolArray, FloatArray
from LesionLensLib.training.metastases.appearance import Look, draw_look, oedema_change, with_body
from LesionLensLib.training.metastases.displacement import push_apart
from LesionLensLib.training.metastases.lattice import Box, box_around
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.masks import LesionMasks, masks_from_shares
from LesionLensLib.training.metastases.measures import Measures, measure
from LesionLensLib.training.metastases.mechanism import FailureMechanism
from LesionLensLib.training.metastases.oedema import Oedema, draw_oedema
from LesionLensLib.training.metastases.placement import Seats
from LesionLensLib.training.metastases.shape import MetastasisShape, draw_shape
from LesionLensLib.training.metastases.soil import Soil, tissue_units

CLEARANCE_MM = 12.0
FEWEST_LESION_VOXELS = 4


@dataclass(frozen=True)
class Plan:
    """One metastasis as it was drawn: its surfaces, oedema, look, and its mass effect in mm (0: none)."""

    shape: MetastasisShape
    oedema: Oedema
    look: Look
    mass_effect_mm: float

    @property
    def center_ras(self) -> tuple[float, float, float]:
        """The centre in RAS mm."""
        return self.shape.body.center_ras


@dataclass(frozen=True, eq=False)
class SimulatedLesion:
    """One planted metastasis: what it is, what is measured on it, its risk and its drawn outcome.

    `masks` lie on a part of the patient's grid, `terms` is what each quantity adds to the logit. `outcome` is 1 for
    local failure, 0 for local control.
    """

    plan: Plan
    masks: LesionMasks
    measures: Measures
    terms: dict[str, float]
    probability: float
    outcome: int


@dataclass(frozen=True, eq=False)
class SimulatedPatient:
    """A brain with metastases: `channels` (2, D, H, W) T1c and FLAIR on `grid`; `ground` is the brain before.

    `units` (2,) are |white matter - fluid| of each channel. `ground` is displaced by the mass effects already.
    """

    seed: int
    ground: Soil
    channels: FloatArray
    units: FloatArray
    mechanism: FailureMechanism
    lesions: tuple[SimulatedLesion, ...] = field(default=())

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        return self.ground.grid

    @property
    def brain(self) -> BoolArray:
        """The brain mask (D, H, W)."""
        return self.ground.brain


def simulate_patient(
    soil: Soil, seed: int, limits: MetastasisRange | None = None, mechanism: FailureMechanism | None = None
) -> SimulatedPatient:
    """Return the simulated patient of `seed` in `soil`: the same arguments give the same voxels.

    A lesion that finds no room is left out; raises `ValueError` where none does.
    """
    limits, mechanism = limits or MetastasisRange(), mechanism or FailureMechanism()
    rng = np.random.default_rng([seed, 0])
    varied = soil.varied(limits, rng)
    seats, plans = Seats.of(varied.tissue, varied.grid), list[Plan]()
    for number in range(1 + int(rng.choice(len(limits.lesions), p=limits.lesions))):
        plan = draw_plan(seats, plans, limits, np.random.default_rng([seed, 1, number]))
        plans += [plan] if plan is not None else []
    if not plans:
        raise ValueError(f"{soil.name} has no room for a metastasis")
    return plant(varied, plans, seed, mechanism)


def draw_plan(seats: Seats, others: Sequence[Plan], limits: MetastasisRange, rng: np.random.Generator) -> Plan | None:
    """Draw one metastasis with a place clear of the others; None where there is no room."""
    diameter = limits.diameter_median_mm * np.exp(limits.diameter_log_sd * rng.standard_normal())
    radius = float(np.clip(diameter, *limits.diameter_mm)) / 2
    taken = [(other.center_ras, other.shape.body.radius_mm) for other in others]
    center = seats.place(radius, taken, rng)
    if center is None:
        return None
    strength = rng.uniform(*limits.mass_effect) * radius if rng.random() < limits.mass_effect_chance else 0.0
    return Plan(
        draw_shape(center, radius, limits, rng),
        draw_oedema(radius, limits, rng),
        draw_look(limits, rng),
        float(strength),
    )


def plant(soil: Soil, plans: Sequence[Plan], seed: int, mechanism: FailureMechanism) -> SimulatedPatient:
    """Plant the metastases into `soil`, measure them on the finished images and draw their outcomes.

    Raises `ValueError` where a lesion is too small for the voxels of the grid.
    """
    for plan in plans:
        if plan.mass_effect_mm > 0:
            reach = plan.shape.body.radius_mm + 1
            soil = soil.moved(push_apart(soil.grid, plan.center_ras, plan.mass_effect_mm, reach, soil.brain))
    units = tissue_units(soil.channels, soil.tissue)
    parts = [_Planted.grow(plan, soil) for plan in plans]
    channels = soil.channels + _all_oedema(parts, soil) * units[:, None, None, None]
    for number, part in enumerate(parts):
        box, rng = part.box, np.random.default_rng([seed, 2, number])
        inside = (slice(None), *box.part)
        channels[inside] = with_body(
            channels[inside], part.plan.look, part.body, part.core, soil.channels[inside], soil.tissue[box.part], units,
            box.grid, rng,
        )  # fmt: skip
    channels = np.where(soil.brain, np.maximum(channels, 0.01 * units[:, None, None, None]), 0).astype(np.float32)
    lesions = _judged(parts, channels[1], float(units[1]), soil, seed, mechanism)
    return SimulatedPatient(seed, soil, channels, units, mechanism, lesions)


@dataclass(frozen=True, eq=False)
class _Planted:
    """One metastasis on the voxels of a box: the share of each that is body, core and oedema."""

    plan: Plan
    box: Box
    body: FloatArray
    core: FloatArray
    oedema: FloatArray

    @classmethod
    def grow(cls, plan: Plan, soil: Soil) -> _Planted:
        box = box_around(soil.grid, plan.center_ras, plan.shape.reach_mm + plan.oedema.reach_mm + CLEARANCE_MM)
        body, core = (share * soil.brain[box.part] for share in plan.shape.shares_on(box.grid))
        if (body > 0.5).sum() < FEWEST_LESION_VOXELS:
            raise ValueError("a metastasis is smaller than a few voxels of this grid")
        return cls(plan, box, body, core, plan.oedema.share_on(box.grid, soil.tissue[box.part], body > 0.5))


def _all_oedema(parts: Sequence[_Planted], soil: Soil) -> FloatArray:
    """Return what the oedemas of all lesions add (2, D, H, W), in units; where two meet, the stronger counts."""
    change = np.zeros_like(soil.channels)
    for part in parts:
        # Under the blurred edge of the body lies wet tissue as well, or a dry seam would show between the two.
        wet = np.where(part.body > 0.5, 1.0 if part.plan.oedema.reach_mm > 0 else 0.0, part.oedema)
        own = oedema_change(part.plan.look, wet.astype(np.float32), part.box.grid)
        inside = (slice(None), *part.box.part)
        change[inside] = np.where(np.abs(own) > np.abs(change[inside]), own, change[inside])
    return change


def _judged(
    parts: Sequence[_Planted], flair: FloatArray, unit: float, soil: Soil, seed: int, mechanism: FailureMechanism
) -> tuple[SimulatedLesion, ...]:
    everywhere = np.zeros(soil.grid.shape, bool)
    for part in parts:
        everywhere[part.box.part] |= part.body > 0.5
    lesions = []
    for number, part in enumerate(parts):
        place = part.box.part
        oedema = np.where(everywhere[place], 0, part.oedema).astype(np.float32)
        masks = masks_from_shares(part.body, part.core, oedema, soil.brain[place], part.box.grid, mechanism.margins)
        found = measure(flair[place], masks, unit)
        outcome = mechanism.draw(found, np.random.default_rng([seed, 3, number]))
        probability = mechanism.probability(found)
        lesions.append(SimulatedLesion(part.plan, masks, found, mechanism.terms(found), probability, outcome))
    return tuple(lesions)
