"""Judge how the slices of a DICOM series lie: one stack of one acquisition, even, straight, complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.errors import UserError
from LesionLensLib.images.dicom_tags import tag_name

_ACQUISITION = "AcquisitionNumber"
# What tells the images at one place apart, the plainest reason first.
SEPARATING_TAGS = (
    "EchoTime", "TemporalPositionIdentifier", "DiffusionBValue", _ACQUISITION, "ImageType", "AcquisitionTime",
)  # fmt: skip
_SAME_PLACE_MM = 1e-2
_UNEVEN = 0.05


@dataclass(frozen=True)
class Slice:
    """One image of a series: where its voxels lie (LPS, mm), and what its header tells (`told`: separating tags)."""

    path: Path
    uid: str
    series: str
    position_lps: NDArray[np.float64]
    axes_lps: NDArray[np.float64]
    spacing_ji_mm: tuple[float, float]
    size_ij: tuple[int, int]
    whole_numbers: bool
    header: dict[str, str]
    told: Mapping[str, str]


def check_places(
    ordered: Sequence[Slice], gaps: NDArray[np.float64], normal: NDArray[np.float64], folder: Path
) -> None:
    """Raise `UserError` for slices at one place, a tilted stack, and several acquisitions that make no even stack."""
    crowded = int((gaps < _SAME_PLACE_MM).sum())
    if crowded:
        raise _crowded(ordered, gaps, crowded, folder)
    travel = ordered[-1].position_lps - ordered[0].position_lps
    sideways_mm = float(np.linalg.norm(travel - (travel @ normal) * normal))
    if sideways_mm > 0.5 * min(ordered[0].spacing_ji_mm):
        raise UserError(
            f"The slices in {folder.name} are tilted against the direction in which they are stacked (gantry tilt).",
            "Load the series in 3D Slicer, which corrects the tilt, and save it as NRRD.",
        )
    acquisitions = {item.told[_ACQUISITION] for item in ordered}
    if 1 < len(acquisitions) <= len(ordered) // 2 and gap_notes(gaps, float(np.median(gaps))):
        raise UserError(
            f"The series in {folder.name} holds {len(acquisitions)} acquisitions that make no even stack together.",
            f"Put the files of one of them ({tag_name(_ACQUISITION)}) into a folder of their own and give that.",
        )


def gap_notes(gaps: NDArray[np.float64], step_mm: float) -> dict[str, str]:
    """Say how many slices are missing (gaps of a whole number of steps) or that the gaps vary otherwise."""
    steps = gaps / step_mm
    whole = np.abs(steps - np.round(steps)) <= _UNEVEN
    notes = {}
    missing = int(np.sum(np.round(steps[whole]) - 1))
    if missing > 0:
        notes["missing_slices"] = str(missing)
    if not whole.all():
        notes["uneven_slices_mm"] = f"{gaps.min():.2f}-{gaps.max():.2f}"
    return notes


def _crowded(ordered: Sequence[Slice], gaps: NDArray[np.float64], count: int, folder: Path) -> UserError:
    """Return the error for several images at one place; where one tag tells them apart, it is named."""
    place_of = np.concatenate([[0], np.cumsum(gaps >= _SAME_PLACE_MM)])
    places = [[item for _, item in group] for _, group in groupby(zip(place_of, ordered, strict=True), lambda p: p[0])]
    fault = f"The series in {folder.name} has {count} images at the place of another one"
    for tag in SEPARATING_TAGS:
        if all(len({item.told[tag] for item in items}) == len(items) for items in places):
            most = max(len(items) for items in places)
            return UserError(
                f"{fault}: {most} acquisitions that differ in {tag_name(tag)}.",
                "Put the files with one value of that tag into a folder of their own and give that.",
            )
    return UserError(f"{fault} (echoes, times or repeats).", "Keep one image for each slice in the folder.")
