"""Lay the results of a cohort out as a BIDS derivatives data set (bids-specification.readthedocs.io, version 1.10).

Segmentations become `sub-X[_ses-Y]_desc-lesion_dseg`, probabilities `_label-lesion_probseg`, a brain mask
`_desc-brain_mask`, all as NIfTI in `anat/`: the standard has no segmentations in `pet/`, and those of a PET-CT lie on
the grid of the CT. Maps of an explanation have no name in the standard yet and are in `.bidsignore`. The numbers of
the cases stand in `sub-X_sessions.tsv`, in `participants.tsv` where nobody has two cases.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import LesionLensLib
from LesionLensLib.cohort.bids_names import DESCRIPTION_FILE, TOOL, is_our_dataset, place_cases
from LesionLensLib.cohort.fields import columns_of, scalar_fields
from LesionLensLib.cohort.record import read_whole_report
from LesionLensLib.errors import UserError
from LesionLensLib.images.labelmap import SEGMENTATION_SUFFIX, read_labelmap
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume
from LesionLensLib.manifest import ManifestRow, read_manifest
from LesionLensLib.results import speaking_of_disk

BIDS_VERSION = "1.10.0"
# Result file -> ending of the BIDS name, and what the image is.
_IMAGES = {
    "segmentation.seg.nrrd": ("desc-lesion_dseg", "Lesions that the model found; the numbers are in the table beside."),
    "lesion.seg.nrrd": ("desc-lesion_dseg", "Lesions that were given, about which the model was asked."),
    "probability.nrrd": ("label-lesion_probseg", "The model's probability of lesion in each voxel."),
    "brain.nrrd": ("desc-brain_mask", "The brain as it was used."),
    "map.nrrd": ("desc-impact_map", "What each place contributes to the answer."),
}
_IGNORED = "**/*_map.nii.gz\n**/*_map.json\n"
_COLUMNS = {
    "patient": "the patient's name in the manifest",
    "case": "the case's name in the manifest",
    "split": "the part of the cohort that the manifest puts the case in",
    "label": "the outcome that the manifest states",
}


@dataclass(frozen=True)
class _Case:
    row: ManifestRow
    subject: str
    session: str
    report: Mapping[str, Any]
    folder: Path

    @property
    def stem(self) -> str:
        return f"sub-{self.subject}" + (f"_ses-{self.session}" if self.session else "")

    @property
    def home(self) -> Path:
        return Path(f"sub-{self.subject}", f"ses-{self.session}" if self.session else "", "anat")


def write_derivatives(cohort_folder: Path, manifest: Path, destination: Path) -> tuple[tuple[str, str], ...]:
    """Write the data set for the result folders `cohort_folder/CASE`; return `(case, reason)` of those left out.

    Patients become subjects and, where one has several cases, cases sessions, by all lines of the manifest, so that the
    names do not depend on which cases are done. The data set appears whole, in place of an earlier one of LesionLens.
    Raises `UserError` for another folder that is not empty, a manifest that cannot be read, and where no case is done.
    """
    rows = read_manifest(manifest, missing_files=True)
    placed = place_cases(rows)
    cases, left_out = [], []
    for row in rows:
        folder = cohort_folder / row.case
        report = read_whole_report(folder)
        if report is None:
            left_out.append((row.case, "it has no finished result"))
        else:
            cases.append(_Case(row, *placed[row.case], report, folder))
    if not cases:
        raise UserError(f"No case of {manifest.name} has a result in {cohort_folder.name}.", "Run the cohort first.")
    with _appearing_whole(destination) as root:
        for case in cases:
            _write_images(case, root)
        _write_numbers(cases, root)
        _write_about(cases, left_out, root)
    return tuple(left_out)


def _write_images(case: _Case, root: Path) -> None:
    """Write every image of a case with its sidecar; one without images still has a folder for its subject."""
    home = root / case.home
    home.mkdir(parents=True, exist_ok=True)
    images = {name: ending for name, ending in _IMAGES.items() if (case.folder / name).is_file()}
    for path in sorted(case.folder.glob("map-*.nrrd")):
        role = "".join(letter for letter in path.stem.removeprefix("map-") if letter.isalnum())
        images[path.name] = (f"desc-impact{role}_map", f"What each place of the {role} contributes to the answer.")
    for name, (ending, description) in images.items():
        target = home / f"{case.stem}_{ending}.nii.gz"
        sidecar: dict[str, Any] = {"Description": description, **_provenance(case)}
        if name.endswith(SEGMENTATION_SUFFIX):
            volume, table = _discrete(case.folder / name)
            _write_tsv(target.with_name(f"{case.stem}_{ending}.tsv"), ("index", "name"), table)
        else:
            volume = read_volume(case.folder / name)
        if ending.endswith("_mask"):
            sidecar["Type"] = "Brain"
        write_volume(Volume(volume.array, volume.grid), target)
        _write_json(target.with_name(f"{case.stem}_{ending}.json"), sidecar)


def _discrete(path: Path) -> tuple[Volume, list[dict[str, Any]]]:
    """Return a segmentation as one image of numbers and the name of each; of overlapping regions the first counts."""
    labelmap = read_labelmap(path)
    grid = labelmap.layers[0].grid
    numbers = np.zeros(grid.shape, np.uint8 if len(labelmap.regions) < 256 else np.uint16)
    for index, region in enumerate(labelmap.regions, start=1):
        inside = labelmap.layers[region.layer].array == region.value
        numbers[inside & (numbers == 0)] = index
    return Volume(numbers, grid), [{"index": n, "name": r.name} for n, r in enumerate(labelmap.regions, start=1)]


def _provenance(case: _Case) -> dict[str, Any]:
    report = case.report
    role = report["model"].get("reference_role", "")
    image = next((f"{role}, SHA-256 {i['sha256']}" for i in report["inputs"] if i["role"] == role), "reference image")
    return {
        "SpatialReference": f"the case's own {image}",
        "Tool": report["tool"],
        "Model": report["model"],
        "Settings": report["settings"],
        "Seed": report["seed"],
        "Findings": report["findings"],
    }


def _write_numbers(cases: Sequence[_Case], root: Path) -> None:
    """Write who the subjects are, and the numbers of each case beside its session, or subject where there is none."""
    fields = {case.row.case: scalar_fields(case.report) for case in cases}
    columns = ("case", "split", "label", *columns_of(iter(fields.values())))
    own: dict[str, list[dict[str, Any]]] = {}
    patients: dict[str, str] = {}
    for case in cases:
        told = {"case": case.row.case, "split": case.row.split, "label": case.row.label, **fields[case.row.case]}
        own.setdefault(case.subject, []).append({"session_id": f"ses-{case.session}", **told})
        patients[case.subject] = case.row.patient
    meant = {**{column: f"{column} of the case's report" for column in columns}, **_COLUMNS}
    described = {column: {"Description": meant[column]} for column in columns}
    lines: list[dict[str, Any]] = [{"participant_id": f"sub-{s}", "patient": name} for s, name in patients.items()]
    about = {"patient": {"Description": _COLUMNS["patient"]}}
    if any(case.session for case in cases):
        for subject, sessions in own.items():
            path = root / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"
            _write_tsv(path, ("session_id", *columns), sessions)
        _write_json(root / "sessions.json", described)
        _write_tsv(root / "participants.tsv", ("participant_id", "patient"), lines)
    else:
        numbered = [{**line, **own[subject][0]} for line, subject in zip(lines, own, strict=True)]
        _write_tsv(root / "participants.tsv", ("participant_id", "patient", *columns), numbered)
        about |= described
    _write_json(root / "participants.json", about)


def _write_about(cases: Sequence[_Case], left_out: Sequence[tuple[str, str]], root: Path) -> None:
    models = {(str(case.report["model"]["id"]), str(case.report["model"]["version"])): case.report for case in cases}
    by = [{"Name": TOOL, "Version": LesionLensLib.__version__}]
    for (name, version), report in models.items():
        told = f"Model; SHA-256 of its weights {report['model']['sha256']}; evidence: {report['model']['evidence']}"
        by.append({"Name": name, "Version": version, "Description": told})
    about = {"Name": f"{TOOL} results", "BIDSVersion": BIDS_VERSION, "DatasetType": "derivative", "GeneratedBy": by}
    _write_json(root / DESCRIPTION_FILE, about)
    (root / ".bidsignore").write_text(_IGNORED, encoding="utf-8")
    lines = [
        f"# {TOOL} results",
        "",
        f"Results of {len(cases)} cases by {', '.join(name for name, _ in models)}.",
        "For research, not a medical device.",
        "",
        "Images lie on the grid of each case's own reference image. `participants.tsv` tells which patient of the",
        "manifest a subject is; the numbers of each case stand there or in the subject's `sub-X_sessions.tsv`.",
    ]
    if left_out:
        lines += ["", "Without a result:", "", *(f"- {case}: {reason}" for case, reason in left_out)]
    (root / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def check_destination(destination: Path) -> None:
    """Raise `UserError` where the data set would take the place of something that is not LesionLens's own."""
    target = Path(os.path.realpath(destination))
    if target.exists() and not is_our_dataset(target) and (not target.is_dir() or any(target.iterdir())):
        raise UserError(
            f"The folder {target.name} exists and is no data set of {TOOL}, so it is not replaced.",
            "Name another folder.",
        )


@contextmanager
def _appearing_whole(destination: Path) -> Iterator[Path]:
    """Give a hidden folder beside `destination`, which takes its place in the end, or goes when anything fails."""
    target = Path(os.path.realpath(destination))
    check_destination(target)
    work = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        with speaking_of_disk(target.name):
            work.mkdir(parents=True)
            yield work
            if target.exists():
                old = work.with_suffix(".old")
                target.rename(old)
                try:
                    work.rename(target)
                except OSError:
                    old.rename(target)
                    raise
                shutil.rmtree(old)
            else:
                work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_json(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _write_tsv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table as BIDS wants it: tabs, and `n/a` for what there is not."""
    lines = ["\t".join(columns), *("\t".join(_cell(row.get(column)) for column in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(value: object) -> str:
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a"
    return " ".join(str(value).split())
