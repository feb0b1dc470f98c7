"""Between which limits a simulated metastasis is drawn."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class MetastasisRange:
    """Every pair is (low, high) of a uniform distribution unless said otherwise; lengths in mm.

    Levels of brightness are differences to the white matter around the place, in units of the brain's own contrast
    between white matter and pure fluid in that channel, so they hold for every scanner. Sizes follow table S1 of
    Jalalifar et al. (2022) as far as 3 to 30 mm go; there are no published distributions of the other figures, so
    they are chosen to look like metastases.
    """

    # Diameter of the ball of equal volume: log-normal, cut to the limits.
    diameter_median_mm: float = 13.0
    diameter_log_sd: float = 0.5
    diameter_mm: Range = (3.0, 30.0)
    elongation: Range = (1.0, 1.45)
    roughness: Range = (0.07, 0.22)
    # Correlation lengths on the unit sphere: 0.5 is about a sixth of half the way round.
    bump_length: Range = (0.28, 0.7)
    # Chance of a core, linear in diameter between the two diameters; share of the body that it fills.
    necrosis_diameter_mm: Range = (6.0, 16.0)
    necrosis_chance: Range = (0.05, 0.85)
    core_share: Range = (0.05, 0.55)
    core_roughness: Range = (0.15, 0.5)
    core_bump_length: Range = (0.5, 1.0)
    thinnest_rim_mm: Range = (1.0, 2.0)
    # Oedema: how far it gets in white matter, beyond the enhancing edge, and how much slower it is in grey matter.
    oedema_chance: float = 0.9
    oedema_reach_mm: Range = (3.0, 12.0)
    oedema_reach_per_diameter: Range = (0.0, 0.7)
    grey_speed: Range = (0.06, 0.15)
    finger_strength: Range = (0.2, 0.5)
    finger_length_mm: Range = (4.0, 8.0)
    # Brightness; the unevenness of oedema is the amplitude of a random field.
    rim_t1c: Range = (0.55, 1.3)
    rim_flair: Range = (0.0, 0.55)
    rim_unevenness: Range = (0.04, 0.16)
    core_t1c: Range = (-0.65, -0.15)
    core_flair: Range = (-0.45, 0.5)
    core_unevenness: Range = (0.03, 0.12)
    oedema_t1c: Range = (-0.28, -0.08)
    oedema_flair: Range = (0.4, 0.85)
    oedema_unevenness: Range = (0.0, 0.42)
    oedema_unevenness_length_mm: Range = (1.8, 3.2)
    edge_mm: Range = (0.35, 0.7)
    # Mass effect: displacement at its strongest, at the edge, in radii of the lesion.
    mass_effect_chance: float = 0.7
    mass_effect: Range = (0.1, 0.35)
    # Patients: chances of one, two, three and four lesions.
    lesions: tuple[float, ...] = (0.6, 0.25, 0.1, 0.05)
    # The anatomy itself: mirrored half of the time and bent a little, so that no two patients share it exactly.
    bend_mm: Range = (0.0, 2.5)
    bend_length_mm: float = 28.0
    mirror_chance: float = 0.5
