"""Read a PET in body-weight SUV, whether it comes as a DICOM series or as an image file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from LesionLensLib.errors import UserError
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.series_path import split_series_path
from LesionLensLib.images.volume import Volume

if TYPE_CHECKING:
    import pydicom

    from LesionLensLib.images.suv import SuvFallback, SuvScale

PET_MODALITY = "PT"


def read_pet(path: str | Path, fallback: SuvFallback | None = None, series_uid: str = "") -> Volume:
    """Read a PET; a DICOM series is turned into body-weight SUV (float32), an image file is taken to be in SUV.

    The header tells how the SUV came about, for the input check to judge: `units` ("SUVbw", or absent for an image
    file, whose unit nobody knows), `suv_units`, `suv_decay_correction`, `suv_uptake_minutes`, `suv_scan_time_from`,
    `suv_assumed` and `suv_injection_date`. `fallback` stands in for missing tags; `series_uid`, or a path of the form
    `FOLDER#SERIES`, picks one series of a folder with several. Raises `UserError` as `read_volume` and `suv_scale`.
    """
    path, wanted = split_series_path(path)
    if not path.is_dir():
        return read_volume(path)
    # pydicom takes 0.2 s to import and most images come as files.
    from LesionLensLib.images.dicom_headers import quiet_dicom
    from LesionLensLib.images.dicom_series import read_dicom_series
    from LesionLensLib.images.dicom_study import uid_of_series
    from LesionLensLib.images.suv import suv_scale

    series_uid = series_uid or uid_of_series(path, wanted)
    volume = read_dicom_series(path, series_uid)
    modality = volume.header.get("Modality", "not stated")
    if modality != PET_MODALITY:
        raise UserError(
            f"The DICOM series in {path.name} is no PET (its modality is {modality}).",
            "Give the folder with the PET series.",
        )
    with quiet_dicom():
        scale = suv_scale(_headers(path, series_uid), fallback)
    values = volume.array.astype(np.float32) * np.float32(scale.factor)
    return Volume(values, volume.grid, {**volume.header, **_notes(scale)})


def _headers(folder: Path, series_uid: str) -> list[pydicom.Dataset]:
    from LesionLensLib.images.dicom_headers import files_of_series, read_header

    return [read_header(path) for path in files_of_series(folder, series_uid)]


def _notes(scale: SuvScale) -> dict[str, str]:
    notes = {"units": "SUVbw", "suv_units": scale.units}
    if scale.decay_correction:
        notes["suv_decay_correction"] = scale.decay_correction
    if scale.uptake is not None:
        notes["suv_uptake_minutes"] = f"{scale.uptake.seconds / 60.0:.1f}"
        notes["suv_scan_time_from"] = scale.uptake.scan_source
        if scale.uptake.injection_date_replaced:
            notes["suv_injection_date"] = "replaced"
    if scale.assumed:
        notes["suv_assumed"] = ", ".join(scale.assumed)
    return notes
