"""Turns the JSON of a model card into a `ModelCard`, naming the field that is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from LesionLensLib.errors import UserError
from LesionLensLib.model_card import CARD_FILE, CARD_SCHEMA, EVIDENCE, MODEL_ID, Channel, Label, ModelCard, Weights
from LesionLensLib.outcome_card import OUTCOME_FIELDS, OutcomeCard, WrongField, outcome_from_record
from LesionLensLib.regression_card import REGRESSION_FIELD, RegressionCard, regression_from_record

SHA256 = re.compile(r"[0-9a-f]{64}")
PLAIN_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")
TEXT_FIELDS = ("licence", "citation", "intended_use", "data_source", "description", "brain_mask", "normalization")
KNOWN_FIELDS = {
    "schema", "id", "version", "title", "task", "network", "channel_def", "reference_role", "labels", "weights",
    "spacing_mm", "spacing_range_mm", "expects_skull_stripped", "threshold", "min_volume_ml", "evidence", *TEXT_FIELDS,
    *OUTCOME_FIELDS, REGRESSION_FIELD,
}  # fmt: skip


def card_from_record(record: object, folder: Path) -> ModelCard:
    """Build the card of `folder` from parsed JSON; raises `UserError` for a missing or wrong field.

    Fields this version does not know are kept in `extra`: a card may say more than one version uses.
    """
    if not isinstance(record, Mapping):
        _wrong("it is not a JSON object")
    if record.get("schema") != CARD_SCHEMA:
        _wrong(f"schema is {record.get('schema')}, not {CARD_SCHEMA}")
    channels = tuple(_channel(item) for item in _list(record, "channel_def"))
    roles = [channel.role for channel in channels]
    if len(set(roles)) != len(roles):
        _wrong("channel_def has a role twice")
    reference = _text(record, "reference_role")
    if reference not in roles:
        _wrong("reference_role is not a role of channel_def")
    regression, outcome = _regression(record), _outcome(record)
    if regression is not None and outcome is not None:
        _wrong("it describes both a regression and an outcome")
    return ModelCard(
        id=_matching(record, "id", MODEL_ID),
        version=_text(record, "version"),
        title=_text(record, "title"),
        task=_text(record, "task"),
        network=_network(record),
        channel_def=channels,
        reference_role=reference,
        labels=_labels(record, needed=regression is None),
        weights=_weights(record),
        folder=folder,
        **_optional(record),
        outcome=outcome,
        regression=regression,
        extra={name: value for name, value in record.items() if name not in KNOWN_FIELDS},
    )


def _optional(record: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {name: _text(record, name) for name in TEXT_FIELDS if name in record}
    if "spacing_mm" in record:
        values["spacing_mm"] = _positive(record, "spacing_mm", 3)
    if "spacing_range_mm" in record:
        values["spacing_range_mm"] = _positive(record, "spacing_range_mm", 2)
    if "expects_skull_stripped" in record:
        if not isinstance(record["expects_skull_stripped"], bool):
            _wrong("expects_skull_stripped is not true or false")
        values["expects_skull_stripped"] = record["expects_skull_stripped"]
    if "threshold" in record:
        values["threshold"] = _number(record, "threshold", 0.0, 1.0)
    if "min_volume_ml" in record:
        values["min_volume_ml"] = _number(record, "min_volume_ml", 0.0, 1e6)
    if "evidence" in record:
        if record["evidence"] not in EVIDENCE:
            _wrong(f"evidence is not one of {', '.join(EVIDENCE)}")
        values["evidence"] = record["evidence"]
    return values


def _outcome(record: Mapping[str, Any]) -> OutcomeCard | None:
    try:
        return outcome_from_record(record)
    except WrongField as wrong:
        _wrong(str(wrong))


def _regression(record: Mapping[str, Any]) -> RegressionCard | None:
    try:
        return regression_from_record(record)
    except WrongField as wrong:
        _wrong(str(wrong))


def _labels(record: Mapping[str, Any], needed: bool) -> tuple[Label, ...]:
    if not needed and "labels" not in record:
        return ()
    return tuple(_label(item) for item in _list(record, "labels"))


def _network(record: Mapping[str, Any]) -> Mapping[str, Any]:
    network = record.get("network")
    if not isinstance(network, Mapping) or not isinstance(network.get("name"), str):
        _wrong("network is not an object with a name")
    return dict(network)


def _channel(item: object) -> Channel:
    if not isinstance(item, Mapping):
        _wrong("channel_def holds something that is not an object")
    role = _matching(item, "role", re.compile(r"[A-Za-z][A-Za-z0-9_-]*"))
    return Channel(
        role=role,
        title=_text(item, "title", role),
        modality=_text(item, "modality", "MR"),
        hints=_words(item, "hints"),
        tissue_order=_words(item, "tissue_order"),
    )


def _label(item: object) -> Label:
    if not isinstance(item, Mapping):
        _wrong("labels holds something that is not an object")
    value = item.get("value")
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 255:
        _wrong("a label's value is not a whole number from 1 to 255")
    color = item.get("color", [1.0, 0.0, 0.0])
    if not isinstance(color, list) or len(color) != 3 or not all(_is_number(c) and 0 <= c <= 1 for c in color):
        _wrong("a label's color is not three numbers from 0 to 1")
    return Label(
        value=value,
        id=_text(item, "id"),
        name=_text(item, "name"),
        color=(float(color[0]), float(color[1]), float(color[2])),
        terminology=item.get("terminology", "") if isinstance(item.get("terminology", ""), str) else "",
    )


def _weights(record: Mapping[str, Any]) -> Weights:
    item = record.get("weights")
    if not isinstance(item, Mapping):
        _wrong("weights is not an object")
    size = item.get("bytes")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        _wrong("weights.bytes is not a size in bytes")
    return Weights(_matching(item, "file", PLAIN_FILE), _matching(item, "sha256", SHA256), size)


def _list(record: Mapping[str, Any], name: str) -> list[object]:
    value = record.get(name)
    if not isinstance(value, list) or not value:
        _wrong(f"{name} is not a list with at least one entry")
    return value


def _text(record: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = record.get(name, default)
    if not isinstance(value, str) or (default is None and not value):
        _wrong(f"{name} is missing or not text")
    return value


def _words(record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = record.get(name, [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        _wrong(f"{name} of a channel is not a list of words")
    return tuple(value)


def _matching(record: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = _text(record, name)
    if not pattern.fullmatch(value):
        _wrong(f"{name} has a form that is not allowed")
    return value


def _number(record: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = record.get(name)
    if not _is_number(value) or not low <= float(value) <= high:  # type: ignore[arg-type]
        _wrong(f"{name} is not a number from {low:g} to {high:g}")
    return float(value)  # type: ignore[arg-type]


def _positive(record: Mapping[str, Any], name: str, count: int) -> tuple[float, ...]:
    value = record.get(name)
    if not isinstance(value, list) or len(value) != count or not all(_is_number(v) and v > 0 for v in value):
        _wrong(f"{name} is not {count} positive numbers")
    return tuple(float(v) for v in value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _wrong(what: str) -> NoReturn:
    raise UserError(f"The model card is wrong: {what}.", f"Correct {CARD_FILE} or get the model again.")
