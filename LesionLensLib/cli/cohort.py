"""`lesionlens cohort`: a table of cases in, a folder a case and one table of all results out."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from LesionLensLib.cli.explain import add_explain_options
from LesionLensLib.cli.options import add_run_options
from LesionLensLib.cli.predict import add_predict_options
from LesionLensLib.cli.segment import add_segment_options
from LesionLensLib.errors import UserError
from LesionLensLib.jobs import JOB_KINDS, CaseJob
from LesionLensLib.progress import Progress

# Fields of a job that are not the same for every case, or are the run's own.
NOT_OF_A_CASE = {"output", "model", "overwrite", "regions", "within"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `cohort`, and those of the task that are the same for all cases."""
    parser.add_argument("manifest", metavar="MANIFEST.csv",
                        help="a table of cases: case, patient, a column of paths for each channel of the model, and "
                             "where they exist lesion, brain and regions")  # fmt: skip
    parser.add_argument("--task", required=True, choices=sorted(JOB_KINDS), help="what to do with every case")
    parser.add_argument("--model", required=True, metavar="M", help="id of a model, or the path of a model folder")
    parser.add_argument("--output", required=True, metavar="DIR",
                        help="where a folder a case, cohort.csv and cohort-report.json go")  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, metavar="N",
                        help="processes of this machine, each with a case of its own (default: 1)")  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, metavar="N",
                        help="threads of each worker (default: 1); with another number the last digits of results "
                             "differ, with another number of workers nothing does")  # fmt: skip
    parser.add_argument("--scheduler", metavar="ADDRESS",
                        help="join the Dask cluster at this address, for example tcp://node1:8786")  # fmt: skip
    parser.add_argument("--resume", action="store_true",
                        help="do only the cases that have no result yet, or whose images, model or settings have "
                             "changed since")  # fmt: skip
    parser.add_argument("--bids", metavar="DIR",
                        help="also lay the results out as a BIDS derivatives data set")  # fmt: skip
    add_run_options(parser)
    add_segment_options(parser.add_argument_group("with --task segment"))
    add_predict_options(parser.add_argument_group("with --task predict or explain"))
    add_explain_options(parser.add_argument_group("with --task explain"))


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Run the cohort and print what came of it; the code is that of the first failure only where all cases failed."""
    from LesionLensLib.cohort.request import CohortRequest
    from LesionLensLib.cohort.run import run_cohort

    request = CohortRequest(
        manifest=Path(options.manifest),
        output=Path(options.output),
        task=options.task,
        model=options.model,
        settings=settings_of(options),
        workers=options.workers,
        threads=options.threads,
        scheduler=options.scheduler,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    if options.bids:
        from LesionLensLib.cohort.bids_derivatives import check_destination

        check_destination(Path(options.bids))  # a refusal must not wait for the end
    report = run_cohort(request, progress)
    if options.bids and report["cases"]["done"]:
        from LesionLensLib.cohort.bids_derivatives import write_derivatives

        write_derivatives(request.output, request.manifest, Path(options.bids))
    progress.result({"output": options.output, "report": report})
    if options.progress != "json":
        print(summary_of(report, Path(options.output)))
    nothing_done = report["cases"]["done"] == 0
    return int(report["errors"][0]["code"]) if nothing_done else 0


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the job's fields that the options give; raises `UserError` for an option of another task."""
    given = {name: value for name, value in vars(options).items() if name not in NOT_OF_A_CASE}
    own = _defaults(JOB_KINDS[options.task])
    for job in JOB_KINDS.values():
        for name, default in _defaults(job).items():
            if name not in own and given.get(name, default) != default:
                option = name.replace("_", "-").replace("assumed", "assume")
                message = f"The option for {option} does not go with --task {options.task}."
                raise UserError(message, "Leave it out; lesionlens cohort --help tells the options of each task.")
    return {name: given[name] for name in own if name in given}


def summary_of(report: dict[str, Any], folder: Path) -> str:
    """Return how many cases came to what, and where, as lines of text."""
    cases, run, timing = report["cases"], report["run"], report["timing"]
    lines = [
        f"cases    {cases['total']} of {report['patients']} patients",
        f"done     {cases['done']}, of which {run['kept']} were there already",
        f"errors   {cases['error']}",
        f"speed    {timing['cases_per_minute']} cases a minute",
    ]
    return "\n".join([*lines, *(f"{name}  {folder / name}" for name in ("cohort.csv", "cohort-report.json"))])


def _defaults(job: type[CaseJob]) -> dict[str, Any]:
    return {field.name: field.default for field in fields(job)}
