"""What the report says of an explanation: how it was made, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.job.explanation import Explanation
from LesionLensLib.explain.job.judge import NOT_CHECKED
from LesionLensLib.explain.job.sides import SidesFound
from LesionLensLib.explain.regions import ELSEWHERE, RegionImpact
from LesionLensLib.explain.validity.assess import Validity
from LesionLensLib.geometry import Matrix
from LesionLensLib.images.labelmap import Labelmap
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.case import describe_transforms
from LesionLensLib.inference.outcome_case import assumed_of
from LesionLensLib.inference.prediction import SIMULATED
from LesionLensLib.inputs import Finding
from LesionLensLib.outcome_card import SIMULATED_NOTE

NEAR_MM = 5.0
_DIGITS = 6


def settings_of(begun: Begun, found: Explanation) -> dict[str, Any]:
    """Return how the map was made, and what the scene has to know to show it."""
    job, card, case = begun.job, begun.run.card, begun.case
    return {
        "method": job.method,
        **found.settings,
        **begun.settings,
        "map": {"name": found.name, "unit": found.unit, "signed": found.signed},
        "normalization": card.normalization,
        "lesion": "mask" if job.lesion_mask is not None else "point" if job.center_ras is not None else "none",
        "networks": len(begun.question.networks),
        "surface": job.surface,
        "surface_way": job.surface_way,
        "transforms": describe_transforms(job, case),
        "assumed": assumed_of(job),
        "modalities": {one.role: one.modality for one in card.channel_def if one.role in case.volumes},
        "network_grid": begun.question.grid.to_dict(),
        "device_reason": begun.run.device.reason,
    }


def result_of(
    begun: Begun,
    found: Explanation,
    impact: Volume,
    regions: Labelmap | None,
    rows: Sequence[RegionImpact],
    validity: Validity | None,
    sides: SidesFound | None = None,
) -> dict[str, Any]:
    """Return the answer that was explained, the peak of the map, and all of it in sentences."""
    peak_ras, value = peak_of(impact)
    is_simulated = begun.run.card.evidence == SIMULATED
    note = {"note": SIMULATED_NOTE} if is_simulated else {}
    start = f"{SIMULATED_NOTE.capitalize()}. " if is_simulated else ""
    return {
        **note,
        "method": begun.job.method,
        "target": begun.answer_name,
        begun.answer_field: round(begun.question.answer, _DIGITS),
        **begun.told,
        "peak": {
            "ras": [round(float(mm), 3) for mm in peak_ras],
            "value": float(f"{value:.6g}"),
            "region": None if regions is None else region_at(regions, peak_ras),
        },
        "validity": {"text": NOT_CHECKED.text} if validity is None else validity.to_dict(),
        **found.told,
        **({} if sides is None else sides.to_dict()),
        "text": f"{start}{_sentences(begun, found, rows, sides)}",
    }


def peak_of(impact: Volume) -> tuple[Matrix, float]:
    """Return where a map is farthest from 0 (RAS, mm), and its value there."""
    at = np.unravel_index(int(np.argmax(np.abs(impact.array))), impact.array.shape)
    return impact.grid.ras_from_ijk(np.array(at[::-1])), float(impact.array[at])


def peak_findings(begun: Begun, impact: Volume) -> tuple[Finding, ...]:
    """Warn of a map of a brain that is strongest where there is no brain.

    Seen with Grad-CAM and attention of rsanet-ms on a patient: both peaks lay in the air beside the head.
    """
    peak_ras, value = peak_of(impact)
    if begun.brain is None or not value:
        return ()
    inside = np.argwhere(begun.brain.array != 0)[:, ::-1]
    away_mm = float(np.linalg.norm(begun.brain.grid.ras_from_ijk(inside) - peak_ras, axis=-1).min(initial=np.inf))
    if away_mm <= max(NEAR_MM, *impact.grid.spacing_mm):
        return ()
    text = f"The map is strongest {away_mm:.0f} mm outside of the brain, where the image shows nothing of it."
    return (Finding("warning", "peak-outside-brain", text, "Do not rely on this map; try another method or layer."),)


def region_at(regions: Labelmap, point_ras: Matrix) -> str:
    """Return the names of the regions at a point (RAS, mm), or that it lies elsewhere."""
    i, j, k = (int(n) for n in np.rint(regions.layers[0].grid.ijk_from_ras(point_ras)))
    if not all(0 <= n < size for n, size in zip((i, j, k), regions.layers[0].grid.size, strict=True)):
        return ELSEWHERE
    values = [int(layer.array[k, j, i]) for layer in regions.layers]
    names = [region.name for region in regions.regions if values[region.layer] == region.value]
    return ", ".join(names) or ELSEWHERE


def _sentences(
    begun: Begun, found: Explanation, rows: Sequence[RegionImpact], sides: SidesFound | None
) -> str:
    told = [begun.answer_text, f"{found.sentence}{where_most_lies(rows)}"]
    told += [] if sides is None else [sides.text, sides.asymmetry.text]
    return " ".join(text for text in told if text)


def where_most_lies(rows: Sequence[RegionImpact]) -> str:
    """Say which region holds most of the map, and before that what lies in none of them where that is more."""
    most = max((row for row in rows if row.label), key=lambda row: row.share, default=None)
    if most is None or not most.share:
        return ""
    rest = sum(row.share for row in rows if not row.label)
    if rest <= most.share:
        return f" {100 * most.share:.0f} % of the map lies in the region {most.name}."
    return (
        f" {100 * rest:.0f} % of the map lies in none of the regions; "
        f"the one with most of it, {100 * most.share:.0f} %, is {most.name}."
    )
