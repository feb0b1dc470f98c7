"""Read the contours of a DICOM RT structure set and lay one of them on an image as a mask (DICOM PS3.3 C.8.8.5-6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.images.contours import rasterize_contours
from LesionLensLib.images.dicom_headers import find_dicom_files, is_dicom_file, modality_of, quiet_dicom, read_header
from LesionLensLib.images.identity import hash_identity
from LesionLensLib.images.volume import Volume

_CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
_OEDEMA = re.compile(r"edema|oedem|\+", re.IGNORECASE)
# The tumour itself before anything that might be one; numbers of contours mean nothing across patients.
_TUMOUR_NAMES = tuple(re.compile(p, re.IGNORECASE) for p in (r"gtv[\W_]*mass", r"gtv", r"tumou?r|mass|lesion"))
_LISTED = 12


@dataclass(frozen=True, eq=False)
class Roi:
    """One region: its name, its contours `(n, 3)` in LPS mm, the kinds of contour, and the frame it was drawn in."""

    name: str
    contours_lps: tuple[NDArray[np.float64], ...]
    kinds: frozenset[str]
    frame_hash: str = ""


@dataclass(frozen=True, eq=False)
class StructureSet:
    """The regions of one RT structure set and the UIDs of the image series they were drawn on."""

    description: str
    rois: tuple[Roi, ...]
    series_uids: tuple[str, ...] = ()
    patient_hash: str = ""


def read_structure_set(path: str | Path) -> StructureSet:
    """Read an RTSTRUCT file, or the only one in a folder; raises `UserError` for anything else and damaged contours."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no file or folder {path.name}.", "Check the path.")
    record = _only_structure_set(path) if path.is_dir() else _read(path)
    try:
        with quiet_dicom():
            if str(record.get("Modality", "")) == "RTSTRUCT":
                return _structure_set(record)
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"The contours in {path.name} are damaged or incomplete.", "Export the structure set again.", repr(error)
        ) from error
    raise UserError(f"{path.name} is no RT structure set.", "Give the DICOM file with the contours (RTSTRUCT).")


def find_roi(structures: StructureSet, name: str) -> Roi:
    """Return the region of that name (capitals do not matter); raises `UserError` that lists the names there are."""
    found = [roi for roi in structures.rois if roi.name.lower() == name.strip().lower()]
    return _only(found, structures, f"a region named {name}")


def find_tumour_roi(structures: StructureSet) -> Roi:
    """Return the region of the tumour without its oedema, by name: `GTV_Mass` first, then another GTV, then a tumour.

    Raises `UserError` that lists the names where none or several fit.
    """
    candidates = [roi for roi in structures.rois if not _OEDEMA.search(roi.name)]
    for pattern in _TUMOUR_NAMES:
        found = [roi for roi in candidates if pattern.search(roi.name)]
        if found:
            return _only(found, structures, "one tumour")
    return _only([], structures, "a tumour")


def roi_mask(structures: StructureSet, roi: Roi, reference: Volume, any_frame: bool = False) -> Volume:
    """Return `roi` as a mask (uint8, 0 or 1) on the grid of `reference`.

    With `any_frame` the contours are laid on an image of another frame of reference, where a registration has made
    the two agree. Raises `UserError` for another frame without it, contours that are not closed and planar, and
    contours that cover no voxel of the image.
    """
    frame = reference.header.get("frame_hash", "")
    if frame and roi.frame_hash and frame != roi.frame_hash and not any_frame:
        raise UserError(
            f"The region {roi.name} was drawn in another frame of reference than the image has.",
            "Give the image on which it was drawn, or one of the same examination.",
        )
    open_kinds = sorted(roi.kinds - _CLOSED)
    if open_kinds:
        raise UserError(
            f"The region {roi.name} holds points or open lines ({', '.join(open_kinds)}), which enclose no volume.",
            "Draw it with closed contours, or give the lesion as a mask image.",
        )
    if not roi.contours_lps:
        raise UserError(f"The region {roi.name} has no contours.", "Choose a region that was drawn.")
    mask = rasterize_contours(roi.contours_lps, reference.grid)
    if not mask.any():
        raise UserError(
            f"The region {roi.name} covers no voxel of the image.", "Give the image on which the contours were drawn."
        )
    header = {"SeriesDescription": structures.description, "content": roi.name, "patient_hash": structures.patient_hash}
    return Volume(mask, reference.grid, {key: text for key, text in header.items() if text})


def _read(path: Path) -> pydicom.Dataset:
    try:
        if is_dicom_file(path):
            return read_header(path)
    except (UserError, OSError) as error:
        raise UserError(f"{path.name} is no DICOM file that can be read.", "Export it again.", repr(error)) from error
    raise UserError(f"{path.name} is no DICOM file that can be read.", "Export it again.")


def _only_structure_set(folder: Path) -> pydicom.Dataset:
    found = []
    for path in find_dicom_files(folder):
        if modality_of(path) == "RTSTRUCT":
            found.append(path)
    if len(found) != 1:
        count = "no RT structure set" if not found else f"{len(found)} RT structure sets"
        raise UserError(f"The folder {folder.name} holds {count}.", "Give the DICOM file with the contours (RTSTRUCT).")
    return _read(found[0])


def _structure_set(record: pydicom.Dataset) -> StructureSet:
    bodies = {int(body.ReferencedROINumber): body for body in record.get("ROIContourSequence") or []}
    rois = tuple(_roi(head, bodies.get(int(head.ROINumber))) for head in record.get("StructureSetROISequence") or [])
    identity = str(record.get("PatientID") or record.get("PatientName") or "").strip()
    return StructureSet(
        description=str(record.get("SeriesDescription") or "").strip(),
        rois=rois,
        series_uids=referenced_series(record),
        patient_hash=hash_identity(identity) if identity else "",
    )


def referenced_series(record: pydicom.Dataset) -> tuple[str, ...]:
    """Return the UIDs of the image series that a structure set names as the ones it was drawn on."""
    return tuple(
        str(series.SeriesInstanceUID)
        for frame in record.get("ReferencedFrameOfReferenceSequence") or []
        for study in frame.get("RTReferencedStudySequence") or []
        for series in study.get("RTReferencedSeriesSequence") or []
    )


def _roi(head: pydicom.Dataset, body: pydicom.Dataset | None) -> Roi:
    items = list(body.get("ContourSequence") or []) if body is not None else []
    frame = str(head.get("ReferencedFrameOfReferenceUID") or "").strip()
    return Roi(
        name=str(head.get("ROIName") or "").strip(),
        contours_lps=tuple(_points(item) for item in items),
        kinds=frozenset(str(item.ContourGeometricType) for item in items),
        frame_hash=hash_identity(frame) if frame else "",
    )


def _points(item: pydicom.Dataset) -> NDArray[np.float64]:
    points = np.atleast_1d(np.array(item.get("ContourData") or [], dtype=np.float64)).reshape(-1, 3)
    stated = item.get("NumberOfContourPoints")
    if (stated is not None and int(stated) != len(points)) or not np.isfinite(points).all():
        raise ValueError("a contour does not have the points it states")
    return points


def _only(found: Sequence[Roi], structures: StructureSet, wanted: str) -> Roi:
    if len(found) == 1:
        return found[0]
    names = [roi.name or "without a name" for roi in structures.rois]
    listed = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
    fault = "does not hold" if not found else f"holds {len(found)} regions where it should have"
    raise UserError(
        f"The structure set {fault} {wanted}; its regions are {listed or 'none'}.", "Name the region you want."
    )
