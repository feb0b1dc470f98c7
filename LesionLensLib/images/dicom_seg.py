"""Read a DICOM segmentation (SEG) as one mask on the grid of its frames (DICOM PS3.3 A.51, C.8.20)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.dicom_headers import find_dicom_files, is_dicom_file, modality_of, quiet_dicom, unreadable
from LesionLensLib.images.identity import hash_identity
from LesionLensLib.images.volume import Volume

SEG = "SEG"
_OFF_PLANE = 0.05
_MALFORMED = (AttributeError, KeyError, IndexError, ValueError, TypeError, RuntimeError, NotImplementedError)


def find_dicom_seg(path: Path) -> Path | None:
    """Return `path` where it is a DICOM segmentation, or the only one in it where it is a folder; else None."""
    if path.is_file():
        return path if is_dicom_file(path) and modality_of(path) == SEG else None
    kinds = {one: modality_of(one) for one in find_dicom_files(path)}
    found = [one for one, modality in kinds.items() if modality == SEG]
    return found[0] if len(found) == 1 and "RTSTRUCT" not in kinds.values() else None


def read_dicom_seg(path: Path) -> Volume:
    """Return all segments of a DICOM segmentation as one mask (uint8, 0 or 1), cut to the slices that are stored.

    Of a fractional segmentation a voxel belongs to the mask from half of the highest value. The header has
    `frame_hash` and `patient_hash`. Raises `UserError` for a damaged file and frames that do not lie on one grid.
    """
    try:
        with quiet_dicom():
            record = pydicom.dcmread(path, force=True)
            return _mask(record, path)
    except _MALFORMED as error:
        raise unreadable(path, error) from error


def _mask(record: pydicom.Dataset, path: Path) -> Volume:
    frames = record.pixel_array.reshape(-1, int(record.Rows), int(record.Columns))
    half = int(record.MaximumFractionalValue) / 2.0 if record.get("SegmentationType") == "FRACTIONAL" else 1
    planes = [_Plane(record, number) for number in range(len(frames))]
    first = planes[0]
    if any(not np.allclose(one.axes, first.axes, atol=1e-4) or one.spacing_ji != first.spacing_ji for one in planes):
        raise _not_one_grid(path)
    normal = np.cross(first.axes[0], first.axes[1])
    heights = np.array([float(one.position @ normal) for one in planes])
    step_mm = _step_mm(heights, first.between_mm)
    places = (heights - heights.min()) / step_mm
    numbers = np.round(places).astype(int)
    start = planes[int(np.argmin(heights))].position
    aside = [one.position - start - n * step_mm * normal for one, n in zip(planes, numbers, strict=True)]
    if np.abs(places - numbers).max() > _OFF_PLANE or np.abs(aside).max() > 0.5 * min(first.spacing_ji):
        raise _not_one_grid(path)
    mask = np.zeros((int(numbers.max()) + 1, *frames.shape[1:]), np.uint8)
    np.maximum.at(mask, numbers, (frames >= half).astype(np.uint8))
    direction = np.stack([*first.axes, normal], axis=1)
    spacing = (first.spacing_ji[1], first.spacing_ji[0], step_mm)
    x, y, z = (float(part) for part in start)
    return Volume(mask, Grid(mask.shape[::-1], spacing, (x, y, z), tuple(direction.ravel())), _header(record))


class _Plane:
    """Where a frame lies, from the functional groups of its own or of all frames (LPS, mm)."""

    def __init__(self, record: pydicom.Dataset, number: int) -> None:
        own, shared = record.PerFrameFunctionalGroupsSequence[number], record.SharedFunctionalGroupsSequence[0]

        def group(name: str) -> pydicom.Dataset:
            return (own.get(name) or shared[name].value)[0]

        axes = np.array(group("PlaneOrientationSequence").ImageOrientationPatient, dtype=float).reshape(2, 3)
        measures = group("PixelMeasuresSequence")
        self.axes: NDArray[np.float64] = axes
        self.position = np.array(group("PlanePositionSequence").ImagePositionPatient, dtype=float)
        self.spacing_ji = (float(measures.PixelSpacing[0]), float(measures.PixelSpacing[1]))
        self.between_mm = float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 0.0)


def _step_mm(heights: NDArray[np.float64], stated_mm: float) -> float:
    """Return the distance of the slices: as stated, since empty slices may be left out, else the smallest there is."""
    gaps = np.diff(np.unique(np.round(heights, 4)))
    if stated_mm > 0:
        return stated_mm
    return float(gaps.min()) if gaps.size else 1.0


def _header(record: pydicom.Dataset) -> dict[str, str]:
    header = {"SeriesDescription": str(record.get("SeriesDescription") or "").strip()}
    for key, text in (
        ("patient_hash", str(record.get("PatientID") or record.get("PatientName") or "")),
        ("frame_hash", str(record.get("FrameOfReferenceUID") or "")),
    ):
        header[key] = hash_identity(text) if text.strip() else ""
    return {key: text for key, text in header.items() if text}


def _not_one_grid(path: Path) -> UserError:
    return UserError(
        f"The frames of the segmentation {path.name} do not lie on one grid.",
        "Load it in 3D Slicer and save it as NRRD.",
    )
