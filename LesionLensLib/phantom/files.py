"""Phantoms on disk: one file for each volume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume


def write_volumes(volumes: Mapping[str, Volume], folder: Path) -> dict[str, Path]:
    """Write every volume as `<name>.nii.gz` into `folder`, made where it is missing, and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.nii.gz" for name in volumes}
    for name, volume in volumes.items():
        write_volume(volume, paths[name])
    return paths
