"""Times the phases of a run and tells the user which one has begun."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from LesionLensLib.progress import Progress


@dataclass
class PhaseClock:
    """Measures seconds by phase; `starts` gives for each phase the fraction of the whole job at which it begins."""

    progress: Progress
    starts: Mapping[str, float]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, text: str) -> Iterator[None]:
        """Announce a phase and add the time it takes; the progress reporter may raise `Cancelled` here."""
        self.progress.update(name, self.starts[name], text)
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - begin, 4)

    def within(self, name: str, fraction: float, text: str) -> None:
        """Report how far a phase has come (0 to 1)."""
        begin = self.starts[name]
        end = min((start for start in self.starts.values() if start > begin), default=1.0)
        self.progress.update(name, begin + (end - begin) * min(max(fraction, 0.0), 1.0), text)
