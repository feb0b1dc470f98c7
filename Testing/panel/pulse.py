"""Whether the application's window answers while panels work."""

from __future__ import annotations

import gc
import time
from typing import Any

LONGEST_PAUSE_S = 0.1


class Pulse:
    """Beats in the application's event loop while all panels work: how long its thread computed between two beats.

    The processor's time is what counts: on a busy computer other programs make the clock's time meaningless.
    """

    def __init__(self, panels: tuple[Any, ...]) -> None:
        import qt

        gc.collect()
        gc.freeze()  # what other tests have left is not looked through again while this one is timed
        self.pauses_s: list[float] = []
        self.seen: list[set[str]] = [set() for _ in panels]
        self._panels = panels
        self._last = time.thread_time()
        self._timer = qt.QTimer()
        self._timer.setInterval(5)
        self._timer.connect("timeout()", self._beat)

    def begin(self) -> None:
        """Count from now on."""
        self._last = time.thread_time()
        self._timer.start()

    def _beat(self) -> None:
        if not all(panel.logic.isRunning for panel in self._panels):  # the pause was for showing the first result
            self._timer.stop()
            gc.unfreeze()
            return
        now = time.thread_time()
        self.pauses_s.append(now - self._last)
        self._last = now
        for texts, panel in zip(self.seen, self._panels, strict=True):
            texts.add(panel.ui.statusLabel.text)
