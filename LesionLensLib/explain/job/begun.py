"""A case made ready to be explained, whatever the model is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from LesionLensLib.explain.occlusion.cubes import Mask
from LesionLensLib.explain.question import Question
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.case import Case
from LesionLensLib.inference.hemispheres import SideLoads
from LesionLensLib.inference.job_report import JobRun
from LesionLensLib.inputs import Finding
from LesionLensLib.jobs import ExplainJob
from LesionLensLib.regression_card import RegressionCard

PROBABILITY = "probability"


@dataclass(frozen=True)
class TwoSides:
    """What a model that measures left and right says of either side, and where one ends and the other begins (R, mm).

    `predicted` is what it puts out, not cut off at 0; `measured` is the lesion mask's, None without one.
    """

    regression: RegressionCard
    midline_r_mm: float
    predicted: SideLoads
    measured: SideLoads | None


@dataclass(frozen=True, eq=False)
class Begun:
    """The question, and what its answer is called and counted in.

    `lesion` (0 and 1) lies on the reference image's grid or a part of it, and `brain` on any grid; None where neither
    is known. `answer_name` is "probability of lung metastasis" or the like, `unit` "probability" or "ml"; `answer_text`
    is a sentence on the answer itself, where there is one. `settings` and `told` are fields of the report's settings
    and result that come from the case and its answer. `fast` is the same question to a faster form of the networks, for
    methods that need no gradients. `midline_r_mm` divides the brain where regions are its hemispheres, `sides` are
    there for models that measure both, `within` (D, H, W) is the part of the image that is not 0 where that is known.
    """

    run: JobRun
    job: ExplainJob
    case: Case
    question: Question
    lesion: Volume | None
    brain: Volume | None
    answer_name: str
    unit: str
    findings: tuple[Finding, ...] = ()
    told: dict[str, Any] = field(default_factory=dict)
    fast: Question | None = None
    answer_text: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    midline_r_mm: float | None = None
    sides: TwoSides | None = None
    within: Mask | None = None

    @property
    def reference(self) -> Volume:
        """The image on whose grid everything is written."""
        return self.case.volumes[self.run.card.reference_role]

    @property
    def answer_field(self) -> str:
        """What the answer is called in the report: a number in ml is no probability."""
        return self.unit if self.unit == PROBABILITY else "value_ml" if self.unit == "ml" else "value"
