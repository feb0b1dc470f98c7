"""Tables and figures of the page as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
"""A figure as `Figure.to_dict` or `Estimate.to_dict` writes it: value, low, high, patients."""

NOT_MADE = "not trained here"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table and an empty one; raises `ValueError` for a row of another length."""
    if any(len(row) != len(header) for row in rows):
        raise ValueError("a row of the table has another number of cells than its header")
    lines = [header, ["---"] * len(header), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]


def figure(record: Record | None, digits: int = 2) -> str:
    """Return value and 95 % interval, such as `0.73 (0.57 to 0.89)`; a dash where there is none."""
    if record is None or record["value"] is None:
        return "-"
    return with_interval(record["value"], record["low"], record["high"], digits)


def with_interval(value: float, low: float | None, high: float | None, digits: int = 2) -> str:
    """Return a number with its interval, where it has one."""
    shown = f"{value:.{digits}f}"
    return shown if low is None or high is None else f"{shown} ({low:.{digits}f} to {high:.{digits}f})"


def as_printed(value: float) -> str:
    """Return a share with two decimals, or three where it was printed with them."""
    return f"{value:.2f}" if abs(value - round(value, 2)) < 1e-9 else f"{value:.3f}"


def people(record: Record, events: int | None = None) -> str:
    """Return how many patients stand behind a figure, and how many lesions where these are more."""
    patients, cases = record["patients"], record.get("cases", record["patients"])
    whole = f"{patients}" if cases == patients else f"{cases} lesions, {patients} patients"
    return whole if events is None else f"{whole} ({events} events)"
