"""`lesionlens run JOB.json`: run a serialised job; what `segment`, `predict` and `explain` do with theirs as well."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from LesionLensLib.errors import UserError
from LesionLensLib.jobs import CaseJob, job_from_json
from LesionLensLib.progress import Progress
from LesionLensLib.runners import run_case_job

SMALLEST_SHOWN = 0.0005
"""With three digits behind the point a smaller number would be shown as 0."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `run`."""
    parser.add_argument("job", metavar="JOB.json", help="a job as `to_json` of a job object writes it")


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Read the job file and run the job."""
    try:
        text = Path(options.job).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError("The job file cannot be read.", "Give the path of a job file.", str(error)) from error
    return run_job(job_from_json(text), progress, options.progress)


def run_job(job: CaseJob, progress: Progress, progress_mode: str) -> int:
    """Run a job to its end, tell `progress` what came out, and print a short table unless events are printed."""
    report = run_case_job(job, progress)
    progress.result({"output": job.output, "report": report})
    if progress_mode != "json":
        print(results_table(Path(job.output), report))
    return 0


def results_table(folder: Path, report: dict[str, Any]) -> str:
    """Return what came out and where, as lines of text; nested values are for the report."""
    rows = [(name.replace("_", " "), _value(value)) for name, value in report["result"].items() if _is_shown(value)]
    estimate = report["result"].get("quick_estimate")
    rows += [] if estimate is None else [("quick estimate", estimate["text"])]
    rows += [(Path(entry["path"]).name, str(folder / entry["path"])) for entry in report["outputs"]]
    rows.append(("report.json", str(folder / "report.json")))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _is_shown(value: object) -> bool:
    return _is_range(value) or not (value == "" or isinstance(value, (dict, list)))


def _is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(end, float) for end in value)


def _value(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(_value(end) for end in value)
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if not value or abs(value) >= SMALLEST_SHOWN else f"{value:.2g}"
