"""What ITK does not tell about a NIfTI file: whether it is whole, and whether its matrix can be trusted.

ITK reads a truncated `.nii.gz` without complaint and leaves the rest of the image to chance, takes 1 mm where a
spacing is zero and 0 where the q-form is not a number, and falls back to the q-form where the s-form is sheared. All
would be silent errors. Of other nonsense its libraries complain on the terminal, past every handler.
Source of the layout: nifti1.h, NIfTI-1 Data Format, 2007.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid

_FIELDS = {
    "sizeof_hdr": ("i4", 0), "db_name": ("S18", 14), "dim": ("8i2", 40), "datatype": ("i2", 70), "bitpix": ("i2", 72),
    "pixdim": ("8f4", 76), "vox_offset": ("f4", 108), "descrip": ("S80", 148), "aux_file": ("S24", 228),
    "qform_code": ("i2", 252), "sform_code": ("i2", 254), "qform": ("6f4", 256), "srow": ("(3,4)f4", 280),
    "intent_name": ("S16", 328), "magic": ("S4", 344),
}  # fmt: skip
_LAYOUT = np.dtype(
    {
        "names": list(_FIELDS),
        "formats": [kind for kind, _ in _FIELDS.values()],
        "offsets": [offset for _, offset in _FIELDS.values()],
        "itemsize": 348,
    }
)
# nifti1.h: every pixel type that fills whole bytes.
_PIXEL_TYPES = {2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304}
_EXPORT_AGAIN = "Export the image again from where it came, or copy the file again."


@dataclass(frozen=True)
class NiftiHeader:
    """The fields of a NIfTI-1 header that decide about size, place and description."""

    shape: tuple[int, ...]
    spacing_mm: tuple[float, float, float]
    data_bytes: int
    sform: NDArray[np.float64] | None
    has_orientation: bool
    description: dict[str, str]
    db_name: str

    def sform_distance_mm(self, grid: Grid) -> float:
        """Return how far the corners of `grid` lie from where the s-form puts them (0 where there is no s-form)."""
        if self.sform is None:
            return 0.0
        ends = [(0, n - 1) for n in grid.size]
        corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
        said = corners @ self.sform[:, :3].T + self.sform[:, 3]
        return float(np.linalg.norm(grid.ras_from_ijk(corners) - said, axis=1).max())

    def is_sheared(self) -> bool:
        """Whether the s-form's axes are not at right angles (or one of them has no length)."""
        if self.sform is None:
            return False
        axes = self.sform[:, :3]
        lengths = np.linalg.norm(axes, axis=0)
        if not np.all(np.isfinite(axes)) or not np.all(lengths > 0):
            return True
        unit = axes / lengths
        return not np.allclose(unit.T @ unit, np.eye(3), atol=1e-3)


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read the header of a `.nii` or `.nii.gz` file; raises `UserError` where it is none or states nonsense."""
    try:
        with _open(path) as stream:
            raw = stream.read(_LAYOUT.itemsize)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    if len(raw) < _LAYOUT.itemsize:
        raise UserError(f"{path.name} is not a NIfTI image.", _EXPORT_AGAIN)
    if _is_compressed(path) and not path.name.lower().endswith(".gz"):
        raise UserError(f"{path.name} is compressed, and its name does not say so.", "Rename it to end in .nii.gz.")
    record = _decode(path, raw)
    if bytes(record["magic"])[:3] != b"n+1":
        raise UserError(
            f"{path.name} is not a NIfTI-1 image in one file.",
            "Convert it to .nii.gz (for example by saving it from 3D Slicer).",
        )
    return _header(path, record)


def check_nifti_data(path: Path, header: NiftiHeader) -> None:
    """Raise `UserError` where the file holds less data than its header promises or its checksum does not fit."""
    try:
        size = _inflated_size(path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    if size < header.data_bytes:
        raise UserError(
            f"{path.name} is incomplete: {size} of {header.data_bytes} bytes are there.",
            _EXPORT_AGAIN,
        )


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path.name} is incomplete or damaged: its compressed data break off.", _EXPORT_AGAIN, repr(error)
    )


def _open(path: Path) -> BinaryIO:
    """Open by content, not by name: `.nii.gz` files that are not compressed exist and ITK reads them."""
    return cast(BinaryIO, gzip.open(path, "rb")) if _is_compressed(path) else path.open("rb")


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _inflated_size(path: Path) -> int:
    size = 0
    with _open(path) as stream:
        if not isinstance(stream, gzip.GzipFile):
            return path.stat().st_size
        while block := stream.read(1 << 20):
            size += len(block)
    return size


def _decode(path: Path, raw: bytes) -> Any:
    for layout in (_LAYOUT.newbyteorder("<"), _LAYOUT.newbyteorder(">")):
        record = np.frombuffer(raw, dtype=layout)[0]
        if record["sizeof_hdr"] == 348:
            return record
        if record["sizeof_hdr"] == 540:
            raise UserError(f"{path.name} is a NIfTI-2 image.", "Convert it to NIfTI-1 or NRRD first.")
    raise UserError(f"{path.name} is not a NIfTI image, whatever its name says.", _EXPORT_AGAIN)


def _header(path: Path, record: Any) -> NiftiHeader:
    axes = int(record["dim"][0])
    shape = tuple(int(n) for n in record["dim"][1 : axes + 1])
    if not 1 <= axes <= 7 or min(shape) < 1:
        raise UserError(f"{path.name} states an impossible image size {shape}.", _EXPORT_AGAIN)
    spacing = tuple(abs(float(s)) for s in record["pixdim"][1:4])
    if axes >= 3 and not all(math.isfinite(s) and s > 0 for s in spacing):
        raise UserError(
            f"{path.name} states a voxel spacing of {spacing[0]:g} x {spacing[1]:g} x {spacing[2]:g} mm.",
            "Export the image again with its voxel size.",
        )
    if int(record["datatype"]) not in _PIXEL_TYPES:
        raise UserError(f"{path.name} states an unknown pixel type ({int(record['datatype'])}).", _EXPORT_AGAIN)
    has_sform, has_qform = int(record["sform_code"]) > 0, int(record["qform_code"]) > 0
    if (has_sform or has_qform) and not np.all(np.isfinite(record["srow" if has_sform else "qform"])):
        raise UserError(f"{path.name} states a place in the patient that is not a number.", _EXPORT_AGAIN)
    texts = {name: _text(record[name]) for name in ("descrip", "aux_file", "intent_name")}
    return NiftiHeader(
        shape=shape,
        spacing_mm=cast(tuple[float, float, float], spacing),
        data_bytes=int(record["vox_offset"]) + math.prod(shape) * int(record["bitpix"]) // 8,
        sform=np.asarray(record["srow"], dtype=np.float64) if has_sform else None,
        has_orientation=has_sform or has_qform,
        description={name: text for name, text in texts.items() if text},
        db_name=_text(record["db_name"]),
    )


def _text(raw: bytes) -> str:
    return bytes(raw).split(b"\0")[0].decode("utf-8", "replace").strip()
