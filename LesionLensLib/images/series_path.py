"""`FOLDER#SERIES`: the way to name one DICOM series of a folder that holds several, as a path."""

from __future__ import annotations

from pathlib import Path

SEPARATOR = "#"


def split_series_path(path: str | Path) -> tuple[Path, str]:
    """Return the folder and the wanted series; the series is empty where the path is a file or folder by itself."""
    path = Path(path)
    if SEPARATOR not in path.name or path.exists():
        return path, ""
    folder, _, wanted = str(path).rpartition(SEPARATOR)
    return (Path(folder), wanted.strip()) if wanted.strip() and Path(folder).is_dir() else (path, "")


def series_path(folder: Path, series_uid: str) -> Path:
    """Return the path that names one series of a folder by its UID."""
    return Path(f"{folder}{SEPARATOR}{series_uid}")
