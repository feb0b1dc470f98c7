"""Writes a volume as a PET series with every tag that SUV needs, and structure sets, as scanners and planners do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
from dicom_files import write_series
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
    RTStructureSetStorage,
    generate_uid,
)

from LesionLensLib.images import Volume

PET_TAGS: dict[str, object] = {
    "Modality": "PT", "Units": "BQML", "DecayCorrection": "START", "CorrectedImage": ["DECY", "ATTN", "SCAT"],
    "PatientWeight": "70", "SeriesDate": "20240310", "SeriesTime": "100000", "AcquisitionDate": "20240310",
    "AcquisitionTime": "100000",
}  # fmt: skip
DOSE_TAGS: dict[str, object] = {
    "RadionuclideTotalDose": "370000000",
    "RadionuclideHalfLife": "6600",
    "RadiopharmaceuticalStartTime": "081000",
}


def dose_item(**tags: object) -> Dataset:
    """Return the item of the Radiopharmaceutical Information Sequence; a tag given as None is left out."""
    return _with(Dataset(), {**DOSE_TAGS, **tags})


def pet_header(dose: Dataset | None = None, **tags: object) -> Dataset:
    """Return the header of one PET slice: 370 MBq at 08:10, scan at 10:00 (one half-life of 6600 s later), 70 kg."""
    record = _with(Dataset(), {**PET_TAGS, **tags})
    record.RadiopharmaceuticalInformationSequence = DicomSequence([dose or dose_item()])
    return record


def write_pet(volume: Volume, folder: Path, dose: Dataset | None = None, series: str = "pet", **tags: object) -> Path:
    """Write an int16 volume as a PET series; a tag given as None is left out."""
    write_series(volume, folder, description="PET AC", series=series)
    for path in folder.glob(f"{series}-*.dcm"):
        data = pydicom.dcmread(path)
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = PositronEmissionTomographyImageStorage
        data.update(pet_header(dose, **tags))
        data.save_as(path, enforce_file_format=True)
    return folder


def _with(record: Dataset, tags: Mapping[str, object]) -> Dataset:
    for keyword, value in tags.items():
        if value is not None:
            setattr(record, keyword, value)
    return record


def structure_set(
    rois: Mapping[str, Sequence[np.ndarray]],
    *,
    description: str = "RTstructCT",
    patient: str = "Doe^Jane",
    frame_uid: str = "",
    series_uid: str = "",
    kind: str = "CLOSED_PLANAR",
) -> FileDataset:
    """Return an RTSTRUCT; `rois` maps names to closed contours, each `(n, 3)` points in LPS mm."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RTStructureSetStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID, data.StudyInstanceUID = generate_uid(), generate_uid(entropy_srcs=[patient])
    data.Modality, data.SeriesDescription = "RTSTRUCT", description
    data.PatientName, data.PatientID = patient, f"ID-{patient}"
    frame = Dataset()
    frame.FrameOfReferenceUID = frame_uid or generate_uid(entropy_srcs=[patient, "frame"])
    if series_uid:
        referenced, study = Dataset(), Dataset()
        referenced.SeriesInstanceUID = series_uid
        study.RTReferencedSeriesSequence = DicomSequence([referenced])
        frame.RTReferencedStudySequence = DicomSequence([study])
    data.ReferencedFrameOfReferenceSequence = DicomSequence([frame])
    data.StructureSetROISequence, data.ROIContourSequence = DicomSequence(), DicomSequence()
    for number, (name, contours) in enumerate(rois.items(), start=1):
        head, body = Dataset(), Dataset()
        head.ROINumber, head.ROIName, head.ReferencedFrameOfReferenceUID = number, name, frame.FrameOfReferenceUID
        body.ReferencedROINumber, body.ContourSequence = number, DicomSequence([_contour(c, kind) for c in contours])
        data.StructureSetROISequence.append(head)
        data.ROIContourSequence.append(body)
    return data


def _contour(points_lps: np.ndarray, kind: str) -> Dataset:
    item = Dataset()
    item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points_lps)
    item.ContourData = [f"{value:.8f}"[:16] for value in np.ravel(points_lps)]
    return item
