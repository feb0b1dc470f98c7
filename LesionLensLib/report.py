"""`report.json`: what was done, with what, on what, and what came out; no patient's name and no path of the machine."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import LesionLensLib
from LesionLensLib.errors import InternalFault
from LesionLensLib.geometry import Grid
from LesionLensLib.images.series_path import split_series_path
from LesionLensLib.results import REPORT_FILE

REPORT_SCHEMA = 1
# Fields of the public contract and the JSON types each may have.
REPORT_FIELDS: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "tool": (dict,),
    "model": (dict,),
    "device": (str,),
    "settings": (dict,),
    "seed": (int,),
    "inputs": (list,),
    "findings": (list,),
    "ladder": (list,),
    "timing": (dict,),
    "peak_memory_mb": (float, int, type(None)),
    "environment": (dict,),
    "outputs": (list,),
    "result": (dict,),
}
PART_FIELDS = {
    "tool": ("name", "version"),
    "model": ("id", "version", "sha256", "evidence"),
    "environment": ("python", "torch", "numpy", "simpleitk", "slicer"),
}
ROW_FIELDS = {
    "inputs": ("role", "sha256", "grid"),
    "findings": ("severity", "code", "text"),
    "outputs": ("path", "sha256"),
}
PACKAGES = {"torch": "torch", "numpy": "numpy", "simpleitk": "SimpleITK", "slicer": "slicer-core"}
ABSOLUTE_PATH = re.compile(r"(?<![\w./])(?:[A-Za-z]:)?[\\/](?:[^\s\\/:;,'\"]+[\\/])+([^\s\\/:;,'\"]*)")


def complete_report(record: Mapping[str, Any]) -> dict[str, Any]:
    """Add the moment (UTC) and what every report says about tool, software and memory; texts lose absolute paths.

    Raises `InternalFault` where a field of the contract is missing or has another type.
    """
    report: dict[str, Any] = {
        "schema": REPORT_SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tool": {"name": "lesionlens", "version": LesionLensLib.__version__},
        "peak_memory_mb": peak_memory_mb(),
        "environment": environment_versions(),
        **record,
    }
    cleaned: dict[str, Any] = _without_paths(report)
    check_report(cleaned)
    return cleaned


def write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write `report.json` into a result folder; NaN and infinity are not JSON and raise `ValueError`."""
    text = json.dumps(report, indent=2, allow_nan=False)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")


def check_report(report: Mapping[str, Any]) -> None:
    """Raise `InternalFault` where a report does not follow the public contract."""
    for name, types in REPORT_FIELDS.items():
        if name not in report:
            _wrong(f"{name} is missing")
        value = report[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            _wrong(f"{name} is a {type(value).__name__}")
    for name, parts in PART_FIELDS.items():
        for part in parts:
            if part not in report[name]:
                _wrong(f"{name}.{part} is missing")
    for name, columns in ROW_FIELDS.items():
        for row in report[name]:
            if not isinstance(row, Mapping) or any(column not in row for column in columns):
                _wrong(f"an entry of {name} lacks one of {', '.join(columns)}")
    for phase, seconds in report["timing"].items():
        if not isinstance(seconds, (int, float)) or not math.isfinite(seconds) or seconds < 0:
            _wrong(f"timing.{phase} is not a time in seconds")
    for row in report["outputs"]:
        if Path(row["path"]).is_absolute() or ".." in Path(row["path"]).parts:
            _wrong("an output lies outside the result folder")


def input_entry(role: str, path: Path, grid: Grid) -> dict[str, Any]:
    """Return the report's entry for one input: role, hash of the file or folder, grid; never the path."""
    return {"role": role, "sha256": hash_of(path), "grid": {**grid.to_dict(), "sha256": grid.sha256()}}


def output_entries(folder: Path) -> list[dict[str, str]]:
    """Return path (inside the result folder) and hash of every file written so far, sorted by path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != REPORT_FILE)
    return [{"path": path.relative_to(folder).as_posix(), "sha256": hash_of(path)} for path in files]


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder (a DICOM series), that of its files' hashes in the order of names.

    Of `FOLDER#SERIES` the files of that series count alone.
    """
    folder, series = split_series_path(path)
    if folder.is_dir():
        files = _files_of(folder, series) if series else sorted(p for p in folder.rglob("*") if p.is_file())
        return hashlib.sha256("".join(hash_of(p) for p in files).encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _files_of(folder: Path, series: str) -> list[Path]:
    from LesionLensLib.images.dicom_headers import files_of_series  # pydicom takes 0.2 s to import
    from LesionLensLib.images.dicom_study import uid_of_series

    return files_of_series(folder, uid_of_series(folder, series))


def environment_versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages whose behaviour can change a result; None if not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version(), "system": platform.system()}
    for name, package in PACKAGES.items():
        try:
            versions[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def peak_memory_mb() -> float | None:
    """Return the largest resident memory of this process so far in MiB; None where Python cannot ask (Windows)."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not `ru_maxrss`: on Linux a child starts with its parent's figure, so a run begun by Slicer reported Slicer's.
        kib = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
        return round(int(kib.group(1)) / 1024.0, 1) if kib else None
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024.0 * 1024.0 if sys.platform == "darwin" else 1024.0), 1)


def without_paths(text: str) -> str:
    """Return `text` with every absolute path cut down to its last part."""
    return ABSOLUTE_PATH.sub(lambda match: match.group(1), text)


def _without_paths(value: Any) -> Any:
    if isinstance(value, str):
        return without_paths(value)
    if isinstance(value, Mapping):
        return {name: _without_paths(item) for name, item in value.items()}
    if isinstance(value, Iterable):
        return [_without_paths(item) for item in value]
    return value


def _wrong(what: str) -> None:
    raise InternalFault(f"The report could not be made: {what}.", "Please report this fault with the log.")
