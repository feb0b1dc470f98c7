"""`lesionlens explain`: a job in, map, regions, coloured surface and report out."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.job.default_regions import default_regions, on_reference
from LesionLensLib.explain.job.explanation import Explanation
from LesionLensLib.explain.job.judge import judge
from LesionLensLib.explain.job.methods import METHODS
from LesionLensLib.explain.job.outcome import begin_outcome, check_outcome_explanation
from LesionLensLib.explain.job.regression import begin_regression, check_regression_explanation
from LesionLensLib.explain.job.segmentation import begin_segmentation, check_segmentation_explanation
from LesionLensLib.explain.job.sides import SidesFound, find_sides, side_findings
from LesionLensLib.explain.job.surface import write_coloured_surface
from LesionLensLib.explain.job.told import peak_findings, result_of, settings_of
from LesionLensLib.explain.regions import RegionImpact, region_table, write_regions_csv
from LesionLensLib.explain.surface.choice import parse_surface
from LesionLensLib.images.labelmap import Labelmap, read_labelmap
from LesionLensLib.images.resample import resample
from LesionLensLib.images.segmentation_file import Segment, write_segmentation
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume
from LesionLensLib.inference.case import job_paths, write_registrations
from LesionLensLib.inference.clock import PhaseClock
from LesionLensLib.inference.device import make_deterministic
from LesionLensLib.inference.job_report import Told, finish_job
from LesionLensLib.inference.segment import BRAIN_FILE
from LesionLensLib.inputs import Finding
from LesionLensLib.jobs import ExplainJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.progress import Progress
from LesionLensLib.results import ResultFolder, speaking_of_disk

PHASES = {"model": 0.0, "read": 0.05, "register": 0.08, "check": 0.1, "brain": 0.11, "prepare": 0.12, "explain": 0.15,
          "sides": 0.35, "judge": 0.4, "write": 0.9, "scene": 0.95}  # fmt: skip
MAP_FILE, ONE_MAP_FILE, REGIONS_FILE = "map.nrrd", "map-{}.nrrd", "regions.csv"
LESION_FILE = "lesion.seg.nrrd"
NO_VTK = "Install it with: pip install 'lesionlens[scene]', or add --surface none."
LESION_COLOR = (0.902, 0.373, 0.157)


def run_explain(job: ExplainJob, progress: Progress) -> dict[str, Any]:
    """Run an explain job and return its report; the result folder appears whole or not at all.

    Raises `UserError`, `EnvironmentFault` or `Cancelled`; then nothing is left behind.
    """
    clock = PhaseClock(progress, PHASES)
    card = find_card(job.model)
    _check(job, card)
    with ResultFolder(Path(job.output), job.overwrite, [card.folder, *job_paths(job)]) as folder:
        report = _explain_into(folder.path, job, card, clock)
    progress.update("done", 1.0, "done")
    return report


def _check(job: ExplainJob, card: ModelCard) -> None:
    if parse_surface(job.surface) is not None and find_spec("vtkmodules") is None:
        raise EnvironmentFault("Coloured surfaces need VTK, which is not installed.", NO_VTK)
    if card.regression is not None:
        check_regression_explanation(job, card)
    elif card.outcome is not None:
        check_outcome_explanation(job, card)
    else:
        check_segmentation_explanation(job, card)


def _begin(job: ExplainJob, card: ModelCard, clock: PhaseClock) -> Begun:
    if card.regression is not None:
        return begin_regression(job, card, clock)
    return begin_segmentation(job, card, clock) if card.outcome is None else begin_outcome(job, card, clock)


def _explain_into(folder: Path, job: ExplainJob, card: ModelCard, clock: PhaseClock) -> dict[str, Any]:
    make_deterministic()
    regions = None if job.regions is None else read_labelmap(job.regions)
    begun = _begin(job, card, clock)
    begun = replace(begun, findings=(*begun.findings, *_unused_options(job)))
    begun.run.warn(begun.findings)
    with clock.phase("explain", f"explaining by {job.method} on {begun.run.device.device}"):
        found = METHODS[job.method](begun, lambda fraction, text: clock.within("explain", fraction, text))
    sides = _sides_of(begun, found, clock)
    with clock.phase("judge", "checking how far the map can be believed"):
        validity, doubts = judge(begun, found, lambda fraction, text: clock.within("judge", fraction, text))
    doubts = (*side_findings(sides), *doubts)
    begun.run.warn((*found.findings, *doubts))
    with clock.phase("write", "writing the results"), speaking_of_disk(folder.name):
        impact = _write_maps(folder, begun, found, sides)
        regions = regions or default_regions(begun)
        rows = _write_regions(folder, impact, regions)
        missing = peak_findings(begun, impact) + _missing_regions(regions)
        missing += write_coloured_surface(folder, begun, impact, found)
        _write_masks(folder, begun)
        write_registrations(folder, begun.case)
    begun.run.warn(missing)
    findings = (*begun.findings, *found.findings, *doubts, *missing)
    result = result_of(begun, found, impact, regions, rows, validity, sides)
    told = Told(settings_of(begun, found), (), findings, result)
    return finish_job(folder, job, begun.run, begun.case, told, job.brain_mask)


def _unused_options(job: ExplainJob) -> tuple[Finding, ...]:
    """Tell which settings the method does not know: a user may think that they made a difference."""
    if not job.unused:
        return ()
    names = ", ".join(f"--{name.replace('_', '-')}" for name in job.unused)
    return (Finding("warning", "unused-options", f"The method {job.method} does not use {names}.", "Leave it out."),)


def _sides_of(begun: Begun, found: Explanation, clock: PhaseClock) -> SidesFound | None:
    if begun.sides is None:
        return None
    with clock.phase("sides", "looking for the left and for the right answer"):
        return find_sides(begun, found, lambda fraction, text: clock.within("sides", fraction, text))


def _write_maps(folder: Path, begun: Begun, found: Explanation, sides: SidesFound | None) -> Volume:
    """Write the maps on the reference grid, with those of the sides their table; return the map as it was made."""
    single = {**found.by_role, **({} if sides is None else sides.maps)}
    files = {MAP_FILE: found.values, **{ONE_MAP_FILE.format(name): values for name, values in single.items()}}
    for name, values in files.items():
        volume = Volume(values.astype(np.float32), begun.question.grid)
        write_volume(resample(volume, begun.reference.grid), folder / name)
    if sides is not None:
        sides.write(folder)
    return Volume(found.values.astype(np.float32), begun.question.grid)


def _write_regions(folder: Path, impact: Volume, regions: Labelmap | None) -> tuple[RegionImpact, ...]:
    rows = () if regions is None else region_table(impact, regions)
    if rows:
        write_regions_csv(folder / REGIONS_FILE, rows)
    return rows


def _missing_regions(regions: Labelmap | None) -> tuple[Finding, ...]:
    if regions is not None:
        return ()
    text = "A point was given and no mask, so there are no shells around the lesion to sum up."
    return (Finding("info", "no-regions", text, "Give a mask of the lesion, or --regions."),)


def _write_masks(folder: Path, begun: Begun) -> None:
    """Write the lesion that was explained, and the brain where one was looked for."""
    if begun.lesion is not None:
        segment = Segment("lesion", "Explained lesion", 1, LESION_COLOR, "")
        write_segmentation(on_reference(begun.lesion, begun), [segment], folder / LESION_FILE)
    if begun.midline_r_mm is not None and begun.brain is not None:
        write_volume(on_reference(begun.brain, begun), folder / BRAIN_FILE)
