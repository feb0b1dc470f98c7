"""How far the work is and how long it will still take, judged by what has been done so far."""

from __future__ import annotations

import time
from collections.abc import Callable

Tell = Callable[[float, str], None]
"""Receives the fraction done, 0 to 1, and a line of text; raises `Cancelled` to stop the work."""


def nobody(fraction: float, text: str) -> None:
    """Take no notice."""


class Pace:
    """Tells how many of `cubes` are done for how many of `networks`, and how long the others will take at that pace.

    The first portion is left out of the pace once there is another: it also chooses kernels and fills caches.
    """

    def __init__(
        self, cubes: int, networks: int, tell: Tell, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.cubes, self.networks, self.tell, self.clock = cubes, networks, tell, clock
        self.done = 0
        self._portions, self._seconds, self._counted = 0, 0.0, 0
        self._last = clock()

    @property
    def total(self) -> int:
        """How often a cube is evaluated in all."""
        return self.cubes * self.networks

    def prepare(self, text: str) -> None:
        """Tell what is made ready before the next portion; `resume` ends it, since it is no part of the pace."""
        self.tell(self.done / max(self.total, 1), text)

    def resume(self) -> None:
        """Let the time of the next portion begin now."""
        self._last = self.clock()

    def add(self, cubes: int) -> None:
        """Count a portion that is done, and tell."""
        now = self.clock()
        if self._portions == 1:
            self._seconds, self._counted = 0.0, 0
        self._portions += 1
        self._seconds, self._counted = self._seconds + now - self._last, self._counted + cubes
        self._last = now
        self.done += cubes
        network = (self.done - 1) // self.cubes
        text = f"{self.done - network * self.cubes} of {self.cubes} cubes"
        text += f", network {network + 1} of {self.networks}" if self.networks > 1 else ""
        left = in_words((self.total - self.done) * self.seconds_per_cube)
        self.tell(self.done / self.total, f"{text}, about {left} left")

    @property
    def seconds_per_cube(self) -> float:
        """Seconds a cube has taken so far; 0 before the first."""
        return self._seconds / self._counted if self._counted else 0.0


def in_words(seconds: float) -> str:
    """Return a duration as people say it: "8 s", "3 min", "1.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds)) if seconds else 0} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
