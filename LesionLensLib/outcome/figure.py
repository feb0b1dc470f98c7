"""One reported figure: its value, its 95 % interval, and how many patients stand behind it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval; `None` where it is not defined (a sensitivity without any positive patient).

    `cases` are lesions where a patient can have several, else the same as `patients`; both count only what the figure
    is computed from, so that of a sensitivity counts the positive ones. `method` names how the interval was made.
    """

    value: float | None
    low: float | None
    high: float | None
    patients: int
    cases: int
    method: str

    def to_dict(self) -> dict[str, float | int | str | None]:
        """Return JSON values; numbers are rounded to four decimals, `None` stays `None`."""
        return {name: round(v, 4) if isinstance(v, float) else v for name, v in asdict(self).items()}

    def __str__(self) -> str:
        if self.value is None:
            return f"not defined ({self.patients} patients)"
        span = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{span} ({self.patients} patients)"
