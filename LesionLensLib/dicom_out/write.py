"""Write `dicom/` into a result folder: its segmentation, maps and report as objects of the patient's study."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydicom
from highdicom.sr import CodedConcept

from LesionLensLib.dicom_out import codes
from LesionLensLib.dicom_out.findings import findings_of
from LesionLensLib.dicom_out.objects import map_object, segmentation_object
from LesionLensLib.dicom_out.origin import Origin, origin_of
from LesionLensLib.dicom_out.report_object import report_object
from LesionLensLib.errors import UserError
from LesionLensLib.images.dicom_headers import quiet_dicom
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.segmentation_file import Segment, read_segmentation
from LesionLensLib.model_card import ModelCard
from LesionLensLib.results import speaking_of_disk

FOLDER = "dicom"
_SEGMENTATIONS = ("segmentation.seg.nrrd", "lesion.seg.nrrd")
_REFUSED = (AttributeError, ValueError, TypeError, KeyError, IndexError, RuntimeError)


def write_dicom(folder: Path, files: Sequence[Path], card: ModelCard, result: Mapping[str, Any]) -> None:
    """Write the objects of a finished result folder; `files` are the DICOM files of its reference image.

    `dicom/segmentation.dcm` (or `lesion.dcm`), a parametric map for the probability and every map, and `report.dcm`
    where there are numbers to report; the objects carry patient and study of `files`. `result` is that of
    `report.json`. All or nothing is written. Raises `UserError` where the source series cannot carry them, and as
    writing any file.
    """
    target = folder / FOLDER
    try:
        with quiet_dicom():
            origin = origin_of(files, card)
            written = dict(_objects(folder, origin, result))
            with speaking_of_disk(FOLDER):
                target.mkdir()
                for name, made in written.items():
                    made.save_as(target / name, enforce_file_format=True)
    except _REFUSED as error:
        shutil.rmtree(target, ignore_errors=True)
        raise UserError(
            "The headers of the source series do not allow DICOM objects that refer to it.",
            "Export the original series again, or leave the DICOM objects out.",
            repr(error),
        ) from error
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _objects(folder: Path, origin: Origin, result: Mapping[str, Any]) -> Iterator[tuple[str, pydicom.Dataset]]:
    """Yield file name and object, numbered in the order of their series."""
    number, segmentation = 0, None
    segments: tuple[Segment, ...] = ()
    for name in _SEGMENTATIONS:
        if (folder / name).is_file():
            labels, segments = read_segmentation(folder / name)
            segmentation = segmentation_object(labels, segments, origin, number)
            yield f"{name.split('.')[0]}.dcm", segmentation
            number += 1
    for path, quantity in _maps(folder, str(result.get("method", ""))):
        yield f"{path.stem}.dcm", map_object(read_volume(path), path.stem, quantity, origin, number)
        number += 1
    found = findings_of(result, segments, str(result.get("event", "")))
    if found:
        yield "report.dcm", report_object(found, segmentation, origin, number)


def _maps(folder: Path, method: str) -> list[tuple[Path, CodedConcept]]:
    explained = codes.VISUAL_EXPLANATION.get(method, codes.ANY_EXPLANATION)
    probability = [(path, codes.PROBABILITY) for path in sorted(folder.glob("probability.nrrd"))]
    return probability + [(path, explained) for path in sorted(folder.glob("map*.nrrd"))]
