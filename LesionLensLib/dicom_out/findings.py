"""What a report says of each lesion, taken from the result of a run whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LesionFinding:
    """One group of the structured report: numbers in ml and probabilities, the class, and all of it in words.

    `segment` is the number of the segment that outlines it, None without an outline.
    """

    name: str
    segment: int | None = None
    volume_ml: float | None = None
    lesion_count: int | None = None
    probability: float | None = None
    interval: tuple[float, float] | None = None
    event: str = ""
    predicted: str = ""
    calibrated: bool = False
    text: str = ""


def findings_of(result: Mapping[str, Any], segments: Sequence[Any], event: str = "") -> tuple[LesionFinding, ...]:
    """Return the groups of a result: one for each lesion of a prediction, one for all lesions of a segmentation.

    `result` is that of `report.json`. A lesion is outlined by the segment of its number, where there are any.
    """
    if "lesions" not in result:
        if "lesion_volume_ml" not in result:
            return ()
        count, volume_ml = int(result["lesion_count"]), float(result["lesion_volume_ml"])
        segment = 1 if segments and count else None
        text = f"{count} lesions, {volume_ml:.3f} ml in all."
        return (LesionFinding("All lesions", segment, volume_ml, count, text=text),)
    return tuple(_prediction(record, index, len(segments), event) for index, record in enumerate(result["lesions"], 1))


def _prediction(record: Mapping[str, Any], index: int, outlined: int, event: str) -> LesionFinding:
    interval, volume_ml = record.get("interval"), record.get("tumour_volume_ml")
    return LesionFinding(
        name=f"Lesion {record['lesion']}",
        segment=index if index <= outlined and volume_ml else None,
        volume_ml=record.get("given_volume_ml") if volume_ml is None else volume_ml,
        probability=record["probability"],
        interval=None if interval is None else (interval[0], interval[1]),
        event=event,
        predicted=record["class"],
        calibrated=bool(record["calibrated"]),
        text=record["text"],
    )
