"""The columns of `cohort.csv` that come from a case's report: every number and word of `result`, one level deep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Sentences are for the report, where there is room for them.
SENTENCES = {"text", "note", "evaluation_because", "unusual"}
INTERVAL, WARNINGS = "interval", "warnings"
FIRST = ("probability", "low", "high", "class", "typicality_percentile", "lesion_count", "lesion_volume_ml")


def scalar_fields(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scalar fields of a report's `result` by column, and the codes of the warnings it holds."""
    found = dict(_scalars(report["result"]))
    codes = sorted({finding["code"] for finding in report["findings"] if finding["severity"] == "warning"})
    return {**found, WARNINGS: " ".join(codes)}


def columns_of(rows: Iterator[Mapping[str, Any]]) -> list[str]:
    """Return the columns that rows have, those of the contract first, the others in the order in which they come."""
    present = list(dict.fromkeys(name for row in rows for name in row))
    rest = [name for name in present if name not in FIRST and name != WARNINGS]
    return [name for name in FIRST if name in present] + rest + [WARNINGS] * (WARNINGS in present)


def _scalars(result: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in result.items():
        if name == INTERVAL and isinstance(value, list):
            yield from zip(("low", "high"), value, strict=True)
        elif isinstance(value, Mapping):
            yield from ((f"{name}_{part}", inner) for part, inner in value.items() if _is_scalar(part, inner))
        elif _is_scalar(name, value):
            yield name, value


def _is_scalar(name: str, value: object) -> bool:
    return name not in SENTENCES and (value is None or isinstance(value, (str, int, float)))
