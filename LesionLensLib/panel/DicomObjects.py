"""Results as DICOM objects: the series that a volume node came from, and the application's DICOM database."""

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from LesionLensLib.errors import UserError

OBJECTS_FOLDER = "dicom"
# Slicer's own attribute on volumes that its module DICOM has loaded.
_INSTANCES = "DICOM.instanceUIDs"
_SERIES = "LesionLens.DicomSeries"
# By SeriesInstanceUID, while the application runs: folders of studies are often called after the patient, and what a
# node says of itself goes with a saved scene to others.
_folders: dict[str, Path] = {}


def rememberSeries(node: Any, folder: Path, seriesUid: str) -> None:
    """Let a volume node know which DICOM series of which folder it was read from."""
    from LesionLensLib.images.dicom_headers import files_of_series, read_header

    files = files_of_series(folder, seriesUid)
    instances = [str(read_header(path, ["SOPInstanceUID"]).get("SOPInstanceUID") or "") for path in files]
    node.SetAttribute(_INSTANCES, " ".join(instances))
    node.SetAttribute(_SERIES, seriesUid)
    _folders[seriesUid] = folder


def sourceFiles(node: Any) -> tuple[str, ...]:
    """Return the DICOM files that a volume node came from, none where they are not known or gone."""
    instances = (node.GetAttribute(_INSTANCES) or "").split()
    if instances and _isDatabaseOpen():
        files = tuple(dict.fromkeys(slicer.dicomDatabase.fileForInstance(uid) for uid in instances))
        if all(path and Path(path).is_file() for path in files):
            return files
    seriesUid = node.GetAttribute(_SERIES) or ""
    folder = _folders.get(seriesUid)
    if folder is None or not folder.is_dir():
        return ()
    from LesionLensLib.images.dicom_headers import files_of_series

    return tuple(str(path) for path in files_of_series(folder, seriesUid))


def dicomJobFields(wanted: bool, node: Any, role: str) -> dict[str, Any]:
    """Return the fields of a job that shall write DICOM objects beside the series of its reference image `node`.

    Raises `UserError` where that series is not known, and where the application has no database to put them into.
    """
    if not wanted:
        return {}
    if not _isDatabaseOpen():
        raise UserError(
            _("There is no DICOM database to put the results into."),
            _("Open the module DICOM once, or switch the DICOM objects off."),
        )
    files = sourceFiles(node)
    if not files:
        told = _("The results cannot be DICOM objects: {name}, the {role} image, came from no DICOM series.")
        raise UserError(
            told.format(name=node.GetName(), role=role),
            _("Load the series with the module DICOM or with the study button, or switch the DICOM objects off."),
        )
    return {"dicom": True, "dicom_source": files}


def keepObjects(folder: Path) -> tuple[str, ...]:
    """Copy the DICOM objects of a result folder into the application's database; return their SOPInstanceUIDs.

    A result without them gives none. Raises `UserError` where the database does not take them.
    """
    objects = folder / OBJECTS_FOLDER
    if not objects.is_dir():
        return ()
    from DICOMLib import DICOMUtils

    from LesionLensLib.images.dicom_headers import read_header

    instances = tuple(str(read_header(path, ["SOPInstanceUID"]).SOPInstanceUID) for path in sorted(objects.iterdir()))
    DICOMUtils.importDicom(str(objects), slicer.dicomDatabase, copyFiles=True)
    if not all(slicer.dicomDatabase.fileForInstance(uid) for uid in instances):
        raise UserError(
            _("The DICOM database did not take the results."), _("Check its folder in the module DICOM and its disk.")
        )
    return instances


def _isDatabaseOpen() -> bool:
    database = getattr(slicer, "dicomDatabase", None)  # absent where the module DICOM was not loaded
    return database is not None and bool(database.isOpen)
