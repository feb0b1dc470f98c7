"""How far the map of a job can be believed."""

from __future__ import annotations

from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.job.explanation import Explanation
from LesionLensLib.explain.job.judge_brain import judge_brain
from LesionLensLib.explain.validity.assess import Validity, assess
from LesionLensLib.explain.validity.curves import CurveSettings, outline_channels
from LesionLensLib.inference.ladder import Tell
from LesionLensLib.inputs import Finding

NOT_CHECKED = Finding(
    "warning",
    "map-not-checked",
    "How far this map can be believed was not checked.",
    "Take it as a hint of where to look, not as evidence.",
)


def judge(begun: Begun, found: Explanation, tell: Tell) -> tuple[Validity | None, tuple[Finding, ...]]:
    """Return what the checks say; a warning in their place where they were not asked for, or there is none."""
    if not begun.job.checks or found.make_map is None:
        return None, (NOT_CHECKED,)
    if begun.fast is not None:
        return judge_brain(begun.question, begun.fast, begun.job.method, found, tell), ()
    settings = CurveSettings(outlines=outline_channels(begun.question.roles))
    validity = assess(begun.question, found.values, found.make_map, found.signed, found.variants, settings, tell)
    return validity, ()
