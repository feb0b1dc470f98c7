"""The quickest way to hand voxels to another program: NRRD without compression and without SimpleITK.

A panel writes its images with this while its window waits; loading SimpleITK alone would take longer than that may.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from LesionLensLib.images.volume import WIDER_TYPE, Volume
from LesionLensLib.results import speaking_of_disk

_TYPE_NAMES = {"float32": "float", "float64": "double"}  # the integers are called in NRRD as in numpy
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


def write_raw_nrrd(volume: Volume, path: Path) -> None:
    """Write the voxels `(k, j, i)` and their grid (LPS, mm); bool becomes uint8, float16 becomes float32.

    Raises `ValueError` for voxels that NRRD has no type for, `EnvironmentFault` or `UserError` where the disk is full
    or refuses.
    """
    array = volume.array.astype(WIDER_TYPE.get(volume.array.dtype, volume.array.dtype), copy=False)
    name = array.dtype.name
    if name not in _TYPE_NAMES and name not in _INTEGERS:
        raise ValueError(f"NRRD has no voxels of the type {name}")
    with speaking_of_disk(path.name), path.open("wb") as file:
        file.write(_header(volume, _TYPE_NAMES.get(name, name)).encode("ascii"))
        file.write(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)).data)


def _header(volume: Volume, type_name: str) -> str:
    grid = volume.grid
    axes = np.reshape(grid.direction_lps, (3, 3)).T * np.reshape(grid.spacing_mm, (3, 1))
    lines = [
        "NRRD0004",
        f"type: {type_name}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(length) for length in grid.size)}",
        f"space directions: {' '.join(_vector(axis) for axis in axes.tolist())}",
        "kinds: domain domain domain",
        f"endian: {sys.byteorder}",
        "encoding: raw",
        f"space origin: {_vector(grid.origin_lps)}",
    ]
    return "\n".join(lines) + "\n\n"


def _vector(values: Iterable[float]) -> str:
    return f"({','.join(repr(float(value)) for value in values)})"
