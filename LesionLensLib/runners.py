"""Which function runs a job of each kind; only the one that is needed is imported."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, cast

from LesionLensLib.jobs import CaseJob, ExplainJob, PredictJob, SegmentJob
from LesionLensLib.progress import Progress

RUNNERS = {
    SegmentJob.kind: ("LesionLensLib.inference.segment", "run_segment"),
    PredictJob.kind: ("LesionLensLib.inference.predict", "run_predict"),
    ExplainJob.kind: ("LesionLensLib.explain.job.run", "run_explain"),
}
Runner = Callable[[CaseJob, Progress], dict[str, Any]]


def run_case_job(job: CaseJob, progress: Progress) -> dict[str, Any]:
    """Run a job of any kind to its end and return its report; raises what the work raises."""
    module, function = RUNNERS[job.kind]
    return cast(Runner, getattr(importlib.import_module(module), function))(job, progress)
