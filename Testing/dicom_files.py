"""Writes a volume as a DICOM series, one file a slice under shuffled names, as scanners' archives deliver it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from LesionLensLib.images.volume import Volume


def write_series(
    volume: Volume,
    folder: Path,
    patient: str = "Doe^Jane",
    description: str = "",
    without: Iterable[int] = (),
    series: str = "1",
) -> Path:
    """Write every slice of an int16 volume but those in `without`; file names do not follow the slices' order."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{series}-{number:04d}.dcm" for number in range(volume.grid.size[2])]
    random.Random(3).shuffle(names)
    axes = np.reshape(volume.grid.direction_lps, (3, 3))
    uid = generate_uid(entropy_srcs=[str(folder), series])
    for k, name in enumerate(names):
        if k not in without:
            _slice(volume, k, axes, uid, patient, description).save_as(folder / name, enforce_file_format=True)
    return folder


def _slice(volume: Volume, k: int, axes: np.ndarray, series_uid: str, patient: str, description: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series_uid, str(k)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID, data.StudyInstanceUID = series_uid, generate_uid(entropy_srcs=[patient])
    data.FrameOfReferenceUID = generate_uid(entropy_srcs=[patient, "frame"])
    data.PatientName, data.PatientID, data.Modality = patient, f"ID-{patient}", "MR"
    data.SeriesDescription, data.InstanceNumber = description, 1
    i_mm, j_mm, k_mm = volume.grid.spacing_mm
    data.PixelSpacing, data.SliceThickness = [f"{j_mm:.10g}", f"{i_mm:.10g}"], f"{k_mm:.10g}"
    position = volume.grid.ijk_to_lps @ np.array([0, 0, k, 1.0])
    data.ImagePositionPatient = [f"{p:.10f}"[:16] for p in position[:3]]
    data.ImageOrientationPatient = [f"{d:.12f}"[:16] for d in (*axes[:, 0], *axes[:, 1])]
    pixels = volume.array[k].astype(np.int16)
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleSlope, data.RescaleIntercept = "1", "0"
    data.PixelData = pixels.tobytes()
    return data
