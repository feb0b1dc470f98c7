"""Read one DICOM series from a folder: slices in the order in which they lie in the patient.

File names and instance numbers say nothing reliable about order; ImagePositionPatient projected on the slice normal
does (DICOM PS3.3, C.7.6.2.1.1).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.misc import is_dicom

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.identity import hash_identity
from LesionLensLib.images.itk_messages import last_line, quiet_itk
from LesionLensLib.images.volume import Volume

_TAGS = [
    "SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription", "ProtocolName", "Modality", "PatientID", "PatientName",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "SliceThickness",
    "RescaleSlope", "RescaleIntercept", "SamplesPerPixel", "NumberOfFrames", "ContrastBolusAgent", "SequenceName",
    "FrameOfReferenceUID",
]  # fmt: skip
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "Modality", "SequenceName")
_SAME_PLACE_MM = 1e-2
_UNEVEN = 0.05
_LISTED = 6


@dataclass(frozen=True)
class _Slice:
    path: Path
    uid: str
    series: str
    position_lps: NDArray[np.float64]
    axes_lps: NDArray[np.float64]
    spacing_ji_mm: tuple[float, float]
    size_ij: tuple[int, int]
    whole_numbers: bool
    header: dict[str, str]


def read_dicom_series(folder: Path, series_uid: str = "") -> Volume:
    """Read the one DICOM series in `folder` (also in its subfolders), or the one named, rescale slope applied.

    The header holds the descriptions, `patient_hash`, `frame_hash` (images with the same one share their patient
    coordinates), and what is wrong with the slices for the input check to judge:
    `missing_slices` (how many), `uneven_slices_mm` (the range of gaps), `duplicate_slices` (copies left out).
    Raises `UserError` for no or several series, several images at one place, tilted slices, colour and multi-frame
    files.
    """
    slices = _one_series(_read_headers(folder, series_uid), folder)
    unique = list({s.uid: s for s in slices}.values())
    _check_alike(unique, folder)
    normal = np.cross(unique[0].axes_lps[0], unique[0].axes_lps[1])
    ordered = sorted(unique, key=lambda s: float(s.position_lps @ normal))
    gaps = np.diff([float(s.position_lps @ normal) for s in ordered])
    _check_places(ordered, gaps, normal, folder)
    header = dict(ordered[0].header)
    if len(unique) < len(slices):
        header["duplicate_slices"] = str(len(slices) - len(unique))
    step_mm = float(np.median(gaps))
    header.update(_gap_notes(gaps, step_mm))
    return Volume(_read_pixels(ordered, folder), _grid(ordered, normal, step_mm), header)


def find_dicom_files(folder: Path) -> list[Path]:
    """Return the DICOM files in `folder` and its subfolders; raises `UserError` where there are none."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "DICOMDIR"]
    if not found:
        raise UserError(f"The folder {folder.name} is empty.", "Give the folder that holds the DICOM files.")
    files = [path for path in found if is_dicom(path)]
    if not files:
        raise UserError(
            f"The folder {folder.name} holds no DICOM files.", "Give an image file or a folder with one DICOM series."
        )
    return files


def _read_headers(folder: Path, series_uid: str) -> list[_Slice]:
    slices = [_read_header(path, series_uid) for path in find_dicom_files(folder)]
    wanted = [item for item in slices if item is not None]
    if not wanted:
        raise UserError(f"The folder {folder.name} does not hold the wanted series.", "Check the folder.", series_uid)
    return wanted


def _read_header(path: Path, series_uid: str) -> _Slice | None:
    try:
        # pydicom prints every value that breaks the standard, and one of them may be the patient's name.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
            if series_uid and str(record.SeriesInstanceUID) != series_uid:
                return None
            return _slice(path, record)
    except (InvalidDicomError, AttributeError, ValueError, TypeError, KeyError, EOFError) as error:
        raise UserError(
            f"The DICOM header of {path.name} cannot be read.", "Export the series again.", repr(error)
        ) from error


def _slice(path: Path, record: pydicom.Dataset) -> _Slice:
    if int(record.get("NumberOfFrames") or 1) > 1:
        raise UserError(
            f"{path.name} is a multi-frame DICOM file.", "Convert it to NIfTI first, for example with dcm2niix."
        )
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
    return _Slice(
        path=path,
        uid=str(record.SOPInstanceUID),
        series=str(record.SeriesInstanceUID),
        position_lps=np.array(record.ImagePositionPatient, dtype=np.float64).reshape(3),
        axes_lps=np.array(record.ImageOrientationPatient, dtype=np.float64).reshape(2, 3),
        spacing_ji_mm=(spacing[0], spacing[1]),
        size_ij=(int(record.Columns), int(record.Rows)),
        whole_numbers=slope == 1 and intercept.is_integer(),
        header=_description(record),
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


def _one_series(slices: Sequence[_Slice], folder: Path) -> list[_Slice]:
    series: dict[str, list[_Slice]] = {}
    for item in slices:
        series.setdefault(item.series, []).append(item)
    if len(series) > 1:
        listed = [f"{_title(items)} ({len(items)} images, id ...{uid[-8:]})" for uid, items in series.items()]
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        raise UserError(
            f"The folder {folder.name} holds {len(series)} DICOM series: {'; '.join(listed[:_LISTED])}{more}.",
            "Put the files of the series you want into a folder of their own and give that folder.",
        )
    return list(slices)


def _title(items: Sequence[_Slice]) -> str:
    return items[0].header.get("SeriesDescription") or items[0].header.get("ProtocolName") or "no description"


def _check_alike(slices: Sequence[_Slice], folder: Path) -> None:
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


def _check_places(
    ordered: Sequence[_Slice], gaps: NDArray[np.float64], normal: NDArray[np.float64], folder: Path
) -> None:
    crowded = int((gaps < _SAME_PLACE_MM).sum())
    if crowded:
        raise UserError(
            f"The series in {folder.name} has {crowded} images at the place of another one (echoes, times or repeats).",
            "Keep one image for each slice in the folder.",
        )
    travel = ordered[-1].position_lps - ordered[0].position_lps
    sideways_mm = float(np.linalg.norm(travel - (travel @ normal) * normal))
    if sideways_mm > 0.5 * min(ordered[0].spacing_ji_mm):
        raise UserError(
            f"The slices in {folder.name} are tilted against the direction in which they are stacked (gantry tilt).",
            "Load the series in 3D Slicer, which corrects the tilt, and save it as NRRD.",
        )


def _gap_notes(gaps: NDArray[np.float64], step_mm: float) -> dict[str, str]:
    """Say how many slices are missing (gaps of a whole number of steps) or that the gaps vary otherwise."""
    steps = gaps / step_mm
    whole = np.abs(steps - np.round(steps)) <= _UNEVEN
    notes = {}
    missing = int(np.sum(np.round(steps[whole]) - 1))
    if missing > 0:
        notes["missing_slices"] = str(missing)
    if not whole.all():
        notes["uneven_slices_mm"] = f"{gaps.min():.2f}-{gaps.max():.2f}"
    return notes


def _grid(ordered: Sequence[_Slice], normal: NDArray[np.float64], step_mm: float) -> Grid:
    first = ordered[0]
    direction = np.stack([*first.axes_lps, normal], axis=1)
    size = (*first.size_ij, len(ordered))
    spacing = (first.spacing_ji_mm[1], first.spacing_ji_mm[0], step_mm)
    x, y, z = (float(value) for value in first.position_lps)
    return Grid(size, spacing, (x, y, z), tuple(direction.ravel()))


def _read_pixels(ordered: Sequence[_Slice], folder: Path) -> NDArray[np.generic]:
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
