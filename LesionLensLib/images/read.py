"""Read one image from a file or a DICOM folder, exactly as it lies on disk, or say what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import SimpleITK as sitk

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.identity import hash_identity
from LesionLensLib.images.itk_messages import last_line, quiet_itk
from LesionLensLib.images.meta_header import check_meta_data
from LesionLensLib.images.nifti_header import NiftiHeader, check_nifti_data, read_nifti_header
from LesionLensLib.images.series_path import split_series_path
from LesionLensLib.images.volume import Volume, grid_of

READABLE_SUFFIXES = {
    ".nii.gz": "NiftiImageIO",
    ".nii": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}
# Description fields kept from NRRD and MetaImage dictionaries; anything else there could name the patient.
DESCRIPTION_KEYS = ("content", "SeriesDescription", "ProtocolName", "Modality", "descrip", "aux_file", "intent_name")
_FORMATS = "a NIfTI (.nii, .nii.gz), NRRD (.nrrd) or MetaImage (.mha) file, or a folder with one DICOM series"


def read_volume(path: str | Path) -> Volume:
    """Read a NIfTI, NRRD or MetaImage file or a DICOM folder as it is: own grid, own pixel type, slope applied.

    `FOLDER#SERIES` names one series of a DICOM folder that holds several, by number, description or UID.
    An image with a fourth axis of one frame is accepted. Raises `UserError` with a remedy for everything else: missing,
    empty, truncated or foreign files, two-dimensional, colour, vector or time-resolved images, and matrices that
    are not at right angles.
    """
    path = Path(path)
    try:
        folder, series = split_series_path(path)
        if not folder.exists():
            raise UserError(f"There is no file or folder {path.name}.", "Check the path.")
        if folder.is_dir():
            # pydicom takes 0.2 s to import and most images come as files.
            from LesionLensLib.images.dicom_series import read_dicom_series
            from LesionLensLib.images.dicom_study import uid_of_series

            return read_dicom_series(folder, uid_of_series(folder, series))
        return _read_file(path)
    except OSError as error:
        raise UserError(
            f"{path.name} cannot be opened: {error.strerror}.", "Check the file and its permissions.", str(error)
        ) from error


def _read_file(path: Path) -> Volume:
    suffix = known_suffix(path)
    if suffix is None:
        raise _unknown_format(path)
    if path.stat().st_size == 0:
        raise UserError(f"{path.name} is empty (0 bytes).", "Export or copy the file again.")
    if READABLE_SUFFIXES[suffix] == "NiftiImageIO":
        return _read_nifti(path)
    if READABLE_SUFFIXES[suffix] == "MetaImageIO":
        check_meta_data(path)
    image = _read_image(path, READABLE_SUFFIXES[suffix])
    keys = set(image.GetMetaDataKeys())
    header = {key: image.GetMetaData(key) for key in DESCRIPTION_KEYS if key in keys}
    if header.get("Modality", "").endswith("UNKNOWN"):
        del header["Modality"]
    return Volume.from_sitk(image, header)


def known_suffix(path: Path) -> str | None:
    """Return the image suffix of a file name in lower case, or None where it is none that can be read."""
    return next((suffix for suffix in READABLE_SUFFIXES if path.name.lower().endswith(suffix)), None)


def _unknown_format(path: Path) -> UserError:
    with path.open("rb") as stream:
        is_dicom = stream.read(132)[128:] == b"DICM"
    if is_dicom:
        return UserError(f"{path.name} is a single DICOM file.", "Give the folder that holds the whole series.")
    return UserError(f"{path.name} is not an image file this program reads.", f"Give {_FORMATS}.")


def _read_nifti(path: Path) -> Volume:
    stated = read_nifti_header(path)
    # ITK does not notice missing data; the check inflates the file beside ITK's own reading, on the second core.
    with ThreadPoolExecutor(max_workers=1) as pool:
        check = pool.submit(check_nifti_data, path, stated)
        image = _read_image(path, "NiftiImageIO", before_error=check.result)
        check.result()
    volume = Volume.from_sitk(image)
    return Volume(volume.array, volume.grid, _nifti_notes(path, stated, volume.grid))


def _nifti_notes(path: Path, stated: NiftiHeader, grid: Grid) -> dict[str, str]:
    """Return the description fields and what is odd about the geometry; raises `UserError` for a sheared matrix."""
    notes = dict(stated.description)
    if stated.db_name:
        notes["db_name_hash"] = hash_identity(stated.db_name)
    if not stated.has_orientation:
        notes["orientation"] = "missing"
    distance_mm = stated.sform_distance_mm(grid)
    if distance_mm > 0.5 * min(grid.spacing_mm):
        if stated.is_sheared():
            raise _not_at_right_angles(path)
        notes["sform_qform_distance_mm"] = f"{distance_mm:.1f}"
    return notes


def _read_image(path: Path, image_io: str, before_error: Callable[[], None] | None = None) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    try:
        with quiet_itk():
            reader.ReadImageInformation()
            _check_shape(path, reader)
            return reader.Execute()
    except RuntimeError as error:
        if before_error is not None:
            before_error()
        if "orthonormal" in str(error) or "direction" in str(error).lower():
            raise _not_at_right_angles(path) from error
        raise UserError(
            f"{path.name} cannot be read: it is damaged, incomplete or not what its name says.",
            "Export the image again from where it came, or copy the file again.",
            last_line(error),
        ) from error


def _check_shape(path: Path, reader: sitk.ImageFileReader) -> None:
    size = reader.GetSize()
    while len(size) > 3 and size[-1] == 1:
        size = size[:-1]
    if len(size) > 3:
        raise UserError(f"{path.name} holds {size[-1]} frames.", "Give one image: pick or average the frames first.")
    if len(size) < 3 or min(size) < 2:
        raise UserError(f"{path.name} is a single slice, not a volume.", "Give the whole three-dimensional image.")
    if reader.GetNumberOfComponents() != 1:
        raise UserError(
            f"{path.name} holds {reader.GetNumberOfComponents()} values a voxel (colour, vectors or complex numbers).",
            "Give the grey-value image itself.",
        )
    try:
        grid_of(reader)
    except ValueError as error:
        raise _not_at_right_angles(path, str(error)) from error


def _not_at_right_angles(path: Path, detail: str = "") -> UserError:
    return UserError(
        f"The voxel axes of {path.name} are not at right angles, so its place in the patient is uncertain.",
        "Resample it onto a straight grid (in 3D Slicer: Resample Scalar/Vector/DWI Volume) and try again.",
        detail,
    )
