"""Whether results can be written as DICOM objects at all: asked before the work starts, not after it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.images.series_path import split_series_path


def check_dicom_wish(source: Sequence[str], reference_role: str, reference: Path) -> None:
    """Raise `EnvironmentFault` without highdicom, and `UserError` where no DICOM series is known for the results.

    `source` are the files of the series, none where that is the reference image itself.
    """
    if find_spec("highdicom") is None:
        raise EnvironmentFault(
            "DICOM objects are written by highdicom, which is not installed.",
            "Install it with: pip install 'lesionlens[dicom]', in 3D Slicer's Python console "
            "slicer.util.pip_install('highdicom'); or leave the DICOM objects out.",
        )
    if not source and not split_series_path(reference)[0].is_dir():
        raise UserError(
            f"The results cannot be DICOM objects: {reference.name}, the {reference_role} image, is no DICOM series.",
            f"Give {reference_role} as the folder of its DICOM series, or leave the DICOM objects out.",
        )


def source_files(source: Sequence[str], reference: Path) -> list[Path]:
    """Return the files of the series that the results belong to; raises `UserError` where they are gone."""
    if source:
        return [Path(path) for path in source]
    from LesionLensLib.images.dicom_headers import files_of_series
    from LesionLensLib.images.dicom_study import uid_of_series

    folder, series = split_series_path(reference)
    return files_of_series(folder, uid_of_series(folder, series))
