"""`cohort-report.json`: what was done with how many cases, by which model, and which cases have no result and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import LesionLensLib
from LesionLensLib.cohort.order import Outcome
from LesionLensLib.cohort.request import CohortRequest
from LesionLensLib.cohort.table import DONE, ERROR, PENDING, error_entries, status_of
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.model_card import ModelCard
from LesionLensLib.report import environment_versions, hash_of

SCHEMA = 1
RUNNING, FINISHED, INTERRUPTED = "running", "finished", "interrupted"


@dataclass(frozen=True)
class Cohort:
    """Everything the report tells of that stays the same from the first case to the last."""

    request: CohortRequest
    card: ModelCard
    rows: Sequence[ManifestRow]
    settings: Mapping[str, Any]
    begun: float = field(default_factory=perf_counter)


def cohort_report(cohort: Cohort, outcomes: Mapping[str, Outcome], state: str) -> dict[str, Any]:
    """Return the report; `run` and `timing` tell of this run alone, all else is the same however it was run."""
    request, card, rows = cohort.request, cohort.card, cohort.rows
    counts = Counter(status_of(outcomes.get(row.case)) for row in rows)
    computed = sum(outcome.computed and outcome.failure is None for outcome in outcomes.values())
    seconds = perf_counter() - cohort.begun
    return {
        "schema": SCHEMA,
        "tool": {"name": "lesionlens", "version": LesionLensLib.__version__},
        "state": state,
        "task": request.task,
        "model": {
            "id": card.id,
            "version": card.version,
            "sha256": card.weights.sha256,
            "evidence": card.evidence,
        },
        "settings": dict(cohort.settings),
        "manifest": {"file": request.manifest.name, "sha256": hash_of(request.manifest)},
        "cases": {"total": len(rows), **{status: counts[status] for status in (DONE, ERROR, PENDING)}},
        "patients": len({row.patient for row in rows}),
        "errors": error_entries(rows, outcomes),
        "environment": environment_versions(),
        "run": {
            "workers": request.workers if request.scheduler is None else None,
            "threads": request.threads,
            "scheduler": request.scheduler is not None,
            "computed": computed,
            "kept": counts[DONE] - computed,
        },
        "timing": {"seconds": round(seconds, 3), "cases_per_minute": round(60 * computed / seconds, 3)},
    }
