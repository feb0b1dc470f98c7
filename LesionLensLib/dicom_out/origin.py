"""What our DICOM objects share: the patient, study and place they belong to, and the program and model behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
from highdicom import UID, Volume

import LesionLensLib
from LesionLensLib.dicom_out.codes import LONGEST, algorithm, local_scheme
from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid, Matrix, flip_lps_ras
from LesionLensLib.images import volume as images
from LesionLensLib.images.dicom_headers import read_header
from LesionLensLib.images.dicom_tags import tag_name
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome_card import SIMULATED_NOTE

RESEARCH = "research use only, not a medical device"
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID")
# What an object has to repeat even where the scanner left it out (type 2).
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
# What these may hold; anything else is left empty, as the standard allows, rather than carried on.
_WELL_FORMED = {
    "PatientSex": re.compile(r"[MFO]"),
    "PatientBirthDate": re.compile(r"\d{8}"),
    "StudyDate": re.compile(r"\d{8}"),
    "StudyTime": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?"),
}
_FIRST_SERIES_NUMBER = 9001


@dataclass(frozen=True, eq=False)
class Origin:
    """The headers of the source series, one for each image, and the card of the model."""

    source: tuple[pydicom.Dataset, ...]
    card: ModelCard

    @property
    def simulated(self) -> bool:
        """Whether the model learned from a simulated outcome, which every object then says."""
        return self.card.evidence == "simulated" and self.card.outcome is not None

    def described(self, what: str) -> str:
        """Return the description of the series with this content."""
        note = SIMULATED_NOTE.capitalize() if self.simulated else "LesionLens, research use only"
        return f"{note}: {what}"[:LONGEST]

    def identity(self, what: str, number: int) -> dict[str, Any]:
        """Return what identifies a new object in a series of its own; `number` tells the series of a run apart."""
        card = self.card
        return {
            "series_instance_uid": UID(),
            "series_number": _FIRST_SERIES_NUMBER + number,
            "sop_instance_uid": UID(),
            "instance_number": 1,
            "manufacturer": "LesionLens",
            "manufacturer_model_name": f"LesionLens {card.id}"[:LONGEST],
            "software_versions": (LesionLensLib.__version__, f"highdicom {highdicom.__version__}"),
            "device_serial_number": card.weights.sha256[:LONGEST],
            "series_description": self.described(what),
            "specific_character_set": "ISO_IR 192",
            "coding_schemes": [local_scheme()],
        }

    def algorithm(self) -> Any:
        """Return the model as the algorithm that found what is in an object."""
        evidence = SIMULATED_NOTE if self.simulated else self.card.evidence
        parameters = {"use": RESEARCH, "evidence": evidence, "weights SHA-256": self.card.weights.sha256}
        return algorithm(f"LesionLens {self.card.id}", self.card.version, parameters)

    def volume(self, image: images.Volume) -> Volume:
        """Return an image as highdicom takes it: axes k, j, i, and the matrix from these to LPS."""
        affine = image.grid.ijk_to_lps[:, [2, 1, 0, 3]]
        frame = str(self.source[0].FrameOfReferenceUID)
        return Volume(np.ascontiguousarray(image.array), affine, "PATIENT", frame_of_reference_uid=frame)

    def check_place(self, grid: Grid) -> None:
        """Raise `UserError` where `grid` is not that of the source series: moved, cropped or resampled since."""
        ends = np.array(grid.size) - 1.0
        for record in self.source:
            if "ImagePositionPatient" not in record:
                continue  # a multi-frame object, which has its places frame by frame
            ijk = grid.ijk_from_ras(flip_lps_ras(_corners_lps(record)))
            off = np.minimum(np.abs(ijk), np.abs(ijk - ends))[:, :2].max()
            if off > 0.5 or ijk[:, 2].min() < -0.5 or ijk[:, 2].max() > ends[2] + 0.5:
                raise UserError(
                    "The reference image no longer lies where its DICOM series does.",
                    "Load the series anew, neither moved nor cropped, or leave the DICOM objects out.",
                )


def _corners_lps(record: pydicom.Dataset) -> Matrix:
    """Return the centres of the first and the last pixel of a slice, `(2, 3)` in LPS mm."""
    axes = np.array(record.ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = (float(value) for value in record.PixelSpacing)
    first = np.array(record.ImagePositionPatient, dtype=float)
    across = axes[0] * between_columns * (record.Columns - 1) + axes[1] * between_rows * (record.Rows - 1)
    return np.stack([first, first + across])


def origin_of(files: Sequence[Path], card: ModelCard) -> Origin:
    """Read the headers of the source series; raises `UserError` where they lack what every object has to repeat."""
    records: dict[str, pydicom.Dataset] = {}
    for path in files:
        record = read_header(path)
        missing = [keyword for keyword in _NEEDED if not record.get(keyword)]
        if missing:
            raise UserError(
                f"The source series lacks {tag_name(missing[0])}, without which no DICOM object can refer to it.",
                "Export the original series again, or leave the DICOM objects out.",
            )
        for keyword in _MAY_BE_EMPTY:
            if keyword not in record:
                setattr(record, keyword, "")
        for keyword, form in _WELL_FORMED.items():
            if not form.fullmatch(str(record[keyword].value or "")):
                setattr(record, keyword, "")
        records.setdefault(str(record.SOPInstanceUID), record)
    return Origin(tuple(records.values()), card)
