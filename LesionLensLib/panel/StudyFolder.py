"""The images of a model out of a DICOM study folder, as nodes; read as the command line reads them, a PET in SUV."""

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from LesionLensLib.errors import LesionLensError
from LesionLensLib.model_card import ModelCard
from LesionLensLib.panel.DicomObjects import rememberSeries

PET = "PT"


def loadStudy(folder: Path, card: ModelCard) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the new volume node of every channel that one series of the study fits, and sentences on the others.

    Nothing is loaded from a series that is unfit (missing slices, several acquisitions). Raises `UserError` for a
    folder without DICOM files.
    """
    from LesionLensLib.images.dicom_study import list_series
    from LesionLensLib.inputs.check_header import check_header
    from LesionLensLib.inputs.study import match_study

    chosen, unclear = match_study(list_series(folder), card.channel_def, folder)
    problems = [_unclear(error.message) for error in unclear.values()]
    volumes: dict[str, Any] = {}
    for role, series in chosen.items():
        try:
            volumes[role] = _read(folder, series.uid, card.channel(role).modality)
        except LesionLensError as error:
            problems.append(f"{role}: {error.message} {error.remedy}")
    faults = [one for one in check_header(volumes, card.roles) if one.severity == "error"]
    if faults:
        return {}, (*problems, *(f"{one.text} {one.remedy}" for one in faults))
    return {role: _addNode(volume, folder, chosen[role]) for role, volume in volumes.items()}, tuple(problems)


def _read(folder: Path, seriesUid: str, modality: str) -> Any:
    from LesionLensLib.images.dicom_series import read_dicom_series
    from LesionLensLib.images.pet_series import read_pet

    return read_pet(folder, None, seriesUid) if modality == PET else read_dicom_series(folder, seriesUid)


def _addNode(volume: Any, folder: Path, series: Any) -> Any:
    from LesionLensLib.scene.volumes import add_volume

    name = f"{series.number}: {series.description or series.protocol or series.modality}"
    node = add_volume(volume, slicer.mrmlScene.GenerateUniqueName(name))
    rememberSeries(node, folder, series.uid)
    return node


def _unclear(message: str) -> str:
    told: str = _("{problem} Load it with the module DICOM and choose it in its row.").format(problem=message)
    return told
