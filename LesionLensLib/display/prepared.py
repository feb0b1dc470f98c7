"""The folder `display` inside a result folder: what takes long to make and quick to show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from LesionLensLib.display.context import Context, context_of
from LesionLensLib.display.focus import largest_part_ras
from LesionLensLib.display.outline import closed_surface
from LesionLensLib.display.polydata import (
    NORMALS,
    make_surface,
    point_arrays_of,
    points_of,
    set_point_arrays,
    triangles_of,
)
from LesionLensLib.images.segmentation_file import read_segmentation
from LesionLensLib.images.volume import Volume

FOLDER, _INDEX, _CONTEXT = "display", "display.json", "context.npz"
SEGMENTATION_SUFFIX = ".seg.nrrd"


@dataclass(frozen=True)
class Prepared:
    """What the child has made: the surfaces of the segments by id (vtkPolyData, RAS), the context, and the focus.

    `focus_ras` (mm) is the point to look at, None where nothing is segmented.
    """

    outlines: Mapping[str, Any] = field(default_factory=dict)
    context: Context | None = None
    focus_ras: tuple[float, float, float] | None = None


def write_prepared(folder: Path, report: Mapping[str, Any], reference: Volume, brain: Volume | None) -> None:
    """Prepare the finished result in `folder` for a window; `brain` is the mask that the user gave, if any.

    Raises as the reading and writing of its files.
    """
    target = folder / FOLDER
    target.mkdir()
    index: dict[str, Any] = {"outlines": {}, "focus_ras": None, "context": None}
    for path in sorted(folder.glob(f"*{SEGMENTATION_SUFFIX}")):  # a result has one at most
        labels, segments = read_segmentation(path)
        for number, segment in enumerate(segments):
            surface = closed_surface(labels, segment.value)
            if surface.GetNumberOfPoints():
                index["outlines"][segment.id] = f"outline-{number}.npz"
                _write_surface(surface, target / index["outlines"][segment.id])
        index["focus_ras"] = largest_part_ras(labels.array > 0, labels.grid)
    context = context_of(folder, report, reference, brain)
    if context is not None:
        index["context"] = context.kind
        _write_surface(context.surface, target / _CONTEXT)
    (target / _INDEX).write_text(json.dumps(index), encoding="utf-8")


def is_prepared(folder: Path) -> bool:
    """Whether `read_prepared` will find something in this result folder."""
    return (folder / FOLDER / _INDEX).is_file()


def read_prepared(folder: Path) -> Prepared | None:
    """Return what was prepared for a result, None where nothing was."""
    if not is_prepared(folder):
        return None
    target = folder / FOLDER
    index = json.loads((target / _INDEX).read_text(encoding="utf-8"))
    outlines = {name: _read_surface(target / file) for name, file in index["outlines"].items()}
    kind = index["context"]
    context = None if kind is None else Context(kind, _read_surface(target / _CONTEXT))
    return Prepared(outlines, context, None if index["focus_ras"] is None else tuple(index["focus_ras"]))


def _write_surface(surface: Any, path: Path) -> None:
    normals = point_arrays_of(surface)[NORMALS]
    np.savez(path, points=points_of(surface).astype(np.float32), triangles=triangles_of(surface), normals=normals)


def _read_surface(path: Path) -> Any:
    with np.load(path) as arrays:
        surface = make_surface(arrays["points"], arrays["triangles"])
        set_point_arrays(surface, {NORMALS: arrays["normals"]})
    return surface
