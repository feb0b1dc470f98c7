"""Meshes and point clouds as the bytes of PLY and OBJ files, in the space their points come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.display.polydata import IMPACT, NORMALS, RGB, Triangles

Numbers = NDArray[Any]
Arrays = Mapping[str, Numbers]


def encode_ply(comments: Sequence[str], points: Numbers, arrays: Arrays, triangles: Triangles | None = None) -> bytes:
    """Return a binary PLY of points (N, 3), whichever of normals, colour and impact there are, and triangles (M, 3)."""
    columns = [(axis, "<f4", "float", points[:, n]) for n, axis in enumerate("xyz")]
    if NORMALS in arrays:
        columns += [(f"n{axis}", "<f4", "float", arrays[NORMALS][:, n]) for n, axis in enumerate("xyz")]
    if RGB in arrays:
        columns += [(name, "u1", "uchar", arrays[RGB][:, n]) for n, name in enumerate(("red", "green", "blue"))]
    if IMPACT in arrays:
        columns.append((IMPACT, "<f4", "float", arrays[IMPACT]))
    vertices = np.empty(len(points), dtype=[(name, kind) for name, kind, _, _ in columns])
    for name, _, _, values in columns:
        vertices[name] = values
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {text}" for text in comments)]
    lines += [f"element vertex {len(points)}", *(f"property {word} {name}" for name, _, word, _ in columns)]
    body = vertices.tobytes()
    if triangles is not None:
        lines += [f"element face {len(triangles)}", "property list uchar int vertex_indices"]
        cells = np.empty(len(triangles), dtype=[("n", "u1"), ("v", "<i4", 3)])
        cells["n"], cells["v"] = 3, triangles
        body += cells.tobytes()
    return ("\n".join([*lines, "end_header"]) + "\n").encode("ascii") + body


def encode_obj(comments: Sequence[str], points: Numbers, arrays: Arrays, triangles: Triangles) -> bytes:
    """Return a Wavefront OBJ of points (N, 3) and triangles (M, 3), with normals where there are any.

    A vertex carries its colour behind the coordinates, as MeshLab and Blender read it; impact has no place in an OBJ.
    """
    vertices = np.concatenate([points, arrays[RGB] / 255], axis=1) if RGB in arrays else points
    lines = [*(f"# {text}" for text in comments), *_rows("v", vertices)]
    corners = triangles + 1
    if NORMALS in arrays:
        lines += _rows("vn", arrays[NORMALS])
        lines += [f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in corners.tolist()]
    else:
        lines += [f"f {a} {b} {c}" for a, b, c in corners.tolist()]
    return ("\n".join(lines) + "\n").encode("ascii")


def _rows(key: str, values: Numbers) -> list[str]:
    return [f"{key} " + " ".join(f"{value:.6g}" for value in row) for row in values.tolist()]
