"""A small cohort on disk for tests: made-up PET-CT patients, a manifest, the call, and what a run left."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from predict_files import make_case

from LesionLensLib.images import write_volume

ROLES = ("PET", "CT", "lesion")
TIMES = ("timing", "created", "peak_memory_mb", "run")
SPEED = "device_reason"  # says how fast a test convolution ran


@dataclass(frozen=True)
class CohortFiles:
    """A manifest of PET-CT cases, the tiny outcome model, and where results go."""

    manifest: Path
    model: Path
    output: Path
    extra: tuple[str, ...] = ("--device", "cpu", "--progress", "none")

    def arguments(self, *more: str) -> list[str]:
        call = ["cohort", str(self.manifest), "--task", "predict", "--model", str(self.model)]
        return [*call, "--output", str(self.output), *self.extra, *more]

    def into(self, output: Path) -> CohortFiles:
        return replace(self, output=output)

    def rows(self) -> list[dict[str, str]]:
        with (self.output / "cohort.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.output / "cohort-report.json").read_text())
        return report

    def statuses(self) -> list[str]:
        return [row["status"] for row in self.rows()]

    def computed(self) -> int:
        """How many cases the last run computed; the others were kept or failed."""
        count: int = self.report()["run"]["computed"]
        return count

    def case_times(self) -> dict[str, int]:
        """When each case's report was written; the same as before where the case was not done again."""
        return {path.parent.name: path.stat().st_mtime_ns for path in self.output.glob("*/report.json")}


def write_cohort(folder: Path, model: Path, count: int) -> CohortFiles:
    """Write `count` patients below `folder` and the manifest that names them."""
    lines = [["case", "patient", *ROLES, "label", "split"]]
    for number in range(count):
        images = folder / "images" / f"case{number}"
        images.mkdir(parents=True)
        for role, volume in make_case(30 + number).items():
            write_volume(volume, images / f"{role}.nii.gz")
        paths = [f"images/case{number}/{role}.nii.gz" for role in ROLES]
        lines.append([f"case{number}", f"patient{number // 2}", *paths, "", "test"])
    return CohortFiles(write_manifest(folder, lines), model, folder / "results")


def write_manifest(folder: Path, lines: list[list[str]]) -> Path:
    with (folder / "cohort-of-tests.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder / "cohort-of-tests.csv"


def all_but_times(output: Path) -> dict[str, Any]:
    """Return what a run left, file by file: the hash, or without its times the content of a report or table."""
    return {
        path.relative_to(output).as_posix(): _content(path)
        for path in sorted(output.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def _content(path: Path) -> object:
    if path.name == "cohort.csv":
        with path.open(newline="") as file:
            return [{**row, "seconds": ""} for row in csv.DictReader(file)]
    if path.suffix == ".json":
        record = {name: value for name, value in json.loads(path.read_text()).items() if name not in TIMES}
        if isinstance(record.get("settings"), dict):
            record["settings"] = {name: value for name, value in record["settings"].items() if name != SPEED}
        return record
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "empty folder"
