"""Write images so that a file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.images.itk_messages import last_line, quiet_itk
from LesionLensLib.images.meta_header import check_meta_data
from LesionLensLib.images.nifti_header import check_nifti_data, read_nifti_header
from LesionLensLib.images.volume import Volume

WRITABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
# `patient_hash` is not among them: a hash of a short number can be guessed back.
_KEPT_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "Modality", "content")


def write_volume(volume: Volume, path: str | Path, compress: bool = True) -> None:
    """Write NIfTI, NRRD or MetaImage by the suffix of `path`; descriptions go along in NRRD only.

    Raises `UserError` for another suffix and `EnvironmentFault` where the folder is missing or read-only or the disk
    is full.
    """
    path = Path(path)
    image = volume.to_sitk()
    if path.name.lower().endswith(".nrrd"):
        for key in _KEPT_DESCRIPTIONS:
            if key in volume.header:
                image.SetMetaData(key, volume.header[key])
    write_image(image, path, compress)


def write_image(image: sitk.Image, path: Path, compress: bool = True) -> None:
    """Write a SimpleITK image with its dictionary; raises as `write_volume`."""
    suffix = next((s for s in WRITABLE_SUFFIXES if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise UserError(f"{path.name} has no suffix of an image format.", f"Use {', '.join(WRITABLE_SUFFIXES)}.")
    with appears_whole(path, suffix) as temporary:
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(temporary))
        writer.SetUseCompression(compress and suffix != ".nii")
        with quiet_itk():
            writer.Execute(image)
        _check_written(temporary, suffix)


@contextmanager
def appears_whole(path: Path, suffix: str) -> Iterator[Path]:
    """Give a hidden name beside `path` that ends in `suffix`, renamed to it when all went well and removed when not.

    Raises `EnvironmentFault` for whatever the disk or a writer said against it.
    """
    temporary = path.with_name(f".{path.name[: -len(suffix)]}.{os.getpid()}.part{suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except (OSError, RuntimeError, UserError) as error:
        detail = last_line(error)
        raise EnvironmentFault(
            f"{path.name} could not be written.",
            "Check that the output folder exists, that you may write there and that the disk has space.",
            detail,
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _check_written(path: Path, suffix: str) -> None:
    """ITK reports a full disk for NRRD but not for NIfTI, so what was written is checked against its own header."""
    if suffix in (".nii", ".nii.gz"):
        check_nifti_data(path, read_nifti_header(path))
    elif suffix == ".mha":
        check_meta_data(path)
    elif not path.is_file():
        raise OSError(f"{path.name} is not there after writing")
