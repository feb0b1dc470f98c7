"""Read one DICOM series from a folder: slices in the order in which they lie in the patient.

File names and instance numbers say nothing reliable about order; ImagePositionPatient projected on the slice normal
does (DICOM PS3.3, C.7.6.2.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage, EnhancedPETImageStorage

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.dicom_headers import files_of_series, quiet_dicom, read_header, unreadable
from LesionLensLib.images.dicom_stack import SEPARATING_TAGS, Slice, check_places, gap_notes
from LesionLensLib.images.identity import hash_identity
from LesionLensLib.images.itk_messages import last_line, quiet_itk
from LesionLensLib.images.series_path import SEPARATOR
from LesionLensLib.images.volume import Volume

_TAGS = [
    "SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription", "ProtocolName", "Modality", "PatientID", "PatientName",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "SliceThickness",
    "RescaleSlope", "RescaleIntercept", "SamplesPerPixel", "NumberOfFrames", "ContrastBolusAgent", "SequenceName",
    "FrameOfReferenceUID", "SOPClassUID", *SEPARATING_TAGS,
]  # fmt: skip
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "Modality", "SequenceName")
_LISTED = 6
ENHANCED_CLASSES = {EnhancedMRImageStorage, EnhancedCTImageStorage, EnhancedPETImageStorage}


def read_dicom_series(folder: Path, series_uid: str = "") -> Volume:
    """Read the one DICOM series in `folder` (also in its subfolders), or the one named, rescale slope applied.

    The header holds the descriptions, `patient_hash`, `frame_hash` (images with the same one share their patient
    coordinates), and what is wrong with the slices for the input check to judge:
    `missing_slices` (how many), `uneven_slices_mm` (the range of gaps), `duplicate_slices` (copies left out).
    Raises `UserError` for no or several series, several images at one place, several acquisitions that make no even
    stack, tilted slices, colour and multi-frame files.
    """
    slices = _one_series([_read_slice(path) for path in files_of_series(folder, series_uid)], folder)
    unique = list({s.uid: s for s in slices}.values())
    _check_alike(unique, folder)
    normal = np.cross(unique[0].axes_lps[0], unique[0].axes_lps[1])
    ordered = sorted(unique, key=lambda s: float(s.position_lps @ normal))
    gaps = np.diff([float(s.position_lps @ normal) for s in ordered])
    check_places(ordered, gaps, normal, folder)
    header = dict(ordered[0].header)
    if len(unique) < len(slices):
        header["duplicate_slices"] = str(len(slices) - len(unique))
    step_mm = float(np.median(gaps))
    header.update(gap_notes(gaps, step_mm))
    return Volume(_read_pixels(ordered, folder), _grid(ordered, normal, step_mm), header)


def _read_slice(path: Path) -> Slice:
    record = read_header(path, _TAGS)
    try:
        with quiet_dicom():
            return _slice(path, record)
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        raise unreadable(path, error) from error


def _slice(path: Path, record: pydicom.Dataset) -> Slice:
    _refuse_several_frames(path, record)
    missing = [
        tag for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing") if not record.get(tag)
    ]
    if missing:
        raise UserError(
            f"{path.name} does not state its place in the patient ({', '.join(missing)}).",
            "Leave secondary captures and reports out of the folder.",
        )
    if int(record.get("SamplesPerPixel") or 1) != 1:
        raise UserError(f"{path.name} is a colour image.", "Give the grey-value series itself.")
    slope, intercept = float(record.get("RescaleSlope", 1)), float(record.get("RescaleIntercept", 0))
    spacing = [float(s) for s in record.PixelSpacing]
    if not min(spacing) > 0:
        raise UserError(f"{path.name} states a pixel spacing of {min(spacing):g} mm.", "Export the series again.")
    return Slice(
        path=path,
        uid=str(record.SOPInstanceUID),
        series=str(record.SeriesInstanceUID),
        position_lps=np.array(record.ImagePositionPatient, dtype=np.float64).reshape(3),
        axes_lps=np.array(record.ImageOrientationPatient, dtype=np.float64).reshape(2, 3),
        spacing_ji_mm=(spacing[0], spacing[1]),
        size_ij=(int(record.Columns), int(record.Rows)),
        whole_numbers=slope == 1 and intercept.is_integer(),
        header=_description(record),
        told={tag: str(record.get(tag) or "") for tag in SEPARATING_TAGS},
    )


def _refuse_several_frames(path: Path, record: pydicom.Dataset) -> None:
    if str(record.get("Modality") or "") == "SEG":
        raise UserError(
            f"{path.name} is a DICOM segmentation, no image.", "Give the image series on which it was drawn."
        )
    is_enhanced = str(record.get("SOPClassUID") or "") in ENHANCED_CLASSES
    if is_enhanced or int(record.get("NumberOfFrames") or 1) > 1:
        kind = "an enhanced, multi-frame" if is_enhanced else "a multi-frame"
        raise UserError(
            f"{path.name} is {kind} DICOM file: it holds many images in one.",
            "Convert it to NIfTI, for example with dcm2niix, or load it in 3D Slicer and save it as NRRD.",
        )


def _description(record: pydicom.Dataset) -> dict[str, str]:
    header = {tag: str(record.get(tag) or "").strip() for tag in _DESCRIPTIONS}
    identity = str(record.get("PatientID") or record.get("PatientName") or "").strip()
    if identity:
        header["patient_hash"] = hash_identity(identity)
    frame = str(record.get("FrameOfReferenceUID") or "").strip()
    if frame:
        header["frame_hash"] = hash_identity(frame)
    if str(record.get("ContrastBolusAgent") or "").strip():
        header["contrast_agent"] = "given"
    return {tag: text for tag, text in header.items() if text}


def _one_series(slices: Sequence[Slice], folder: Path) -> list[Slice]:
    series: dict[str, list[Slice]] = {}
    for item in slices:
        series.setdefault(item.series, []).append(item)
    if len(series) > 1:
        listed = [f"{_title(items)} ({len(items)} images, id ...{uid[-8:]})" for uid, items in series.items()]
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        raise UserError(
            f"The folder {folder.name} holds {len(series)} DICOM series: {'; '.join(listed[:_LISTED])}{more}.",
            f"Name the one you want by its number or description, for example {folder.name}{SEPARATOR}4, or give a "
            "folder that holds it alone.",
        )
    return list(slices)


def _title(items: Sequence[Slice]) -> str:
    return items[0].header.get("SeriesDescription") or items[0].header.get("ProtocolName") or "no description"


def _check_alike(slices: Sequence[Slice], folder: Path) -> None:
    first = slices[0]
    for item in slices:
        alike = item.size_ij == first.size_ij and np.allclose(item.spacing_ji_mm, first.spacing_ji_mm, rtol=1e-3)
        if not alike or not np.allclose(item.axes_lps, first.axes_lps, atol=1e-3):
            raise UserError(
                f"The images in {folder.name} differ in size, spacing or orientation (for example {item.path.name}).",
                "Leave localizers and derived images out of the folder.",
            )
    if len(slices) < 2:
        raise UserError(f"The folder {folder.name} holds a single slice.", "Give the folder with the whole series.")


def _grid(ordered: Sequence[Slice], normal: NDArray[np.float64], step_mm: float) -> Grid:
    first = ordered[0]
    direction = np.stack([*first.axes_lps, normal], axis=1)
    size = (*first.size_ij, len(ordered))
    spacing = (first.spacing_ji_mm[1], first.spacing_ji_mm[0], step_mm)
    x, y, z = (float(value) for value in first.position_lps)
    return Grid(size, spacing, (x, y, z), tuple(direction.ravel()))


def _read_pixels(ordered: Sequence[Slice], folder: Path) -> NDArray[np.generic]:
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([str(s.path) for s in ordered])
    if not all(s.whole_numbers for s in ordered):
        # The pixel type of the first slice would otherwise cut off the fractions of the others (PET: slope per slice).
        reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        with quiet_itk():
            array: NDArray[np.generic] = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise UserError(
            f"The pixels of the DICOM series in {folder.name} cannot be read.",
            "Export the series again without compression.",
            last_line(error),
        ) from error
    return array
