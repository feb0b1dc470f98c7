"""A case made ready to be explained, whatever the model is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from LesionLensLib.explain.question import Question
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.case import Case
from LesionLensLib.inference.job_report import JobRun
from LesionLensLib.inputs import Finding
from LesionLensLib.jobs import ExplainJob


@dataclass(frozen=True, eq=False)
class Begun:
    """The question, and what its answer is called and counted in.

    `lesion` (0 and 1) lies on the reference image's grid or a part of it, and `brain` on any grid; None where neither
    is known. `answer_name` is "probability of lung metastasis" or the like, `unit` "probability" or "ml". `told` are
    fields of the result that come from the answer. `fast` is the same question to a faster form of the networks, for
    methods that need no gradients.
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

    @property
    def reference(self) -> Volume:
        """The image on whose grid everything is written."""
        return self.case.volumes[self.run.card.reference_role]
