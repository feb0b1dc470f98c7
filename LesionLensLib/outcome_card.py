"""What the card of an outcome model says beyond that of any model, and the reading of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from LesionLensLib.errors import UserError

if TYPE_CHECKING:
    from LesionLensLib.outcome.calibration import Calibration

SIMULATED_NOTE = "demonstration weights, simulated outcome"
"""What everything made by a model with `evidence: simulated` says."""

MOST_NETWORKS = 64
VIEWS = 8
OUTCOME_FIELDS = ("outcome", "field_mm", "ensemble", "calibration", "typicality")
_PLAIN_JSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Ensemble:
    """How many networks answer together: `members` seeds, `folds` of the cross-validation; `views` mirrored copies."""

    members: int = 1
    folds: int = 0
    views: int = 1


@dataclass(frozen=True)
class SideFile:
    """A file beside the card: its plain name and the SHA-256 of its content in lower-case hex."""

    file: str
    sha256: str


@dataclass(frozen=True)
class OutcomeCard:
    """The event that is predicted, the names of the classes without and with it, and how the answer is made.

    `field_mm` is the size (i, j, k) of the box around the lesion that the network sees, `calibration` None where the
    network's own probability is shown, `typicality` None where nothing is known of the training cases.
    """

    event: str
    classes: tuple[str, str]
    field_mm: tuple[float, float, float]
    ensemble: Ensemble = Ensemble()
    calibration: Calibration | None = None
    typicality: SideFile | None = None


class WrongField(Exception):
    """Says which field of the record is wrong and how."""


def outcome_from_record(record: Mapping[str, Any]) -> OutcomeCard | None:
    """Return the part of a card's JSON about the outcome, None where it predicts none; raises `WrongField`."""
    if "outcome" not in record:
        stray = [name for name in OUTCOME_FIELDS if name in record]
        if stray:
            raise WrongField(f"{stray[0]} is given, but no outcome")
        return None
    outcome = _object(record["outcome"], "outcome")
    classes = outcome.get("classes")
    if not isinstance(classes, list) or len(classes) != 2 or not all(_is_text(name) for name in classes):
        raise WrongField("outcome.classes is not two names, without and with the event")
    if not _is_text(outcome.get("event")):
        raise WrongField("outcome.event is missing or not text")
    return OutcomeCard(
        event=outcome["event"],
        classes=(classes[0], classes[1]),
        field_mm=_sides(record.get("field_mm")),
        ensemble=_ensemble(record.get("ensemble", {})),
        calibration=_calibration(record.get("calibration")),
        typicality=_side_file(record.get("typicality")),
    )


def _sides(value: object) -> tuple[float, float, float]:
    wrong = "field_mm is not three lengths in mm"
    if not isinstance(value, list) or len(value) != 3:
        raise WrongField(wrong)
    if any(isinstance(side, bool) or not isinstance(side, (int, float)) or not 0 < side < 1e4 for side in value):
        raise WrongField(wrong)
    return float(value[0]), float(value[1]), float(value[2])


def _ensemble(value: object) -> Ensemble:
    numbers = _object(value, "ensemble")
    least = {"members": 1, "folds": 0, "views": 1}
    most = {"members": MOST_NETWORKS, "folds": MOST_NETWORKS, "views": VIEWS}
    for name, number in numbers.items():
        if name not in least:
            raise WrongField(f"ensemble has an unknown field {name}")
        if isinstance(number, bool) or not isinstance(number, int) or not least[name] <= number <= most[name]:
            raise WrongField(f"ensemble.{name} is not a whole number from {least[name]} to {most[name]}")
    return Ensemble(**numbers)


def _calibration(value: object) -> Calibration | None:
    if value is None:
        return None
    # Most commands read cards without ever calibrating; scipy takes its time to import.
    from LesionLensLib.outcome.calibration import Calibration

    try:
        return Calibration.from_dict(value)
    except UserError as error:
        raise WrongField(f"calibration ({error.message})") from error


def _side_file(value: object) -> SideFile | None:
    if value is None:
        return None
    item = _object(value, "typicality")
    file, sha256 = item.get("file"), item.get("sha256")
    if not isinstance(file, str) or not _PLAIN_JSON.fullmatch(file):
        raise WrongField("typicality.file is not the plain name of a .json file")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise WrongField("typicality.sha256 is not a SHA-256")
    return SideFile(file, sha256)


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise WrongField(f"{name} is not an object")
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
