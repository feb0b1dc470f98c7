"""How long-running work tells the outside where it stands, and learns that it must stop."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from LesionLensLib.errors import Cancelled

PROGRESS_MODES = ("auto", "bar", "json", "none")


class Progress(Protocol):
    """Receives the phase of the work, the fraction done of the whole job (0 to 1) and one line of text."""

    def update(self, phase: str, fraction: float, text: str) -> None:
        """Report a step; raises `Cancelled` when the user has asked to stop."""

    def warn(self, text: str) -> None:
        """Report something the user should know although the work goes on."""

    def result(self, payload: dict[str, object]) -> None:
        """Report what came out, once, at the end."""


@dataclass
class SilentProgress:
    """Keeps quiet; `should_stop` is asked at every step."""

    should_stop: Callable[[], bool] = lambda: False
    warnings: list[str] = field(default_factory=list)

    def update(self, phase: str, fraction: float, text: str) -> None:
        if self.should_stop():
            raise Cancelled

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def result(self, payload: dict[str, object]) -> None:
        return None


@dataclass
class JsonLinesProgress:
    """One JSON object a line on `stream`, for a parent process: `{"event": "progress" | "warning" | "result", ...}`."""

    stream: TextIO

    def update(self, phase: str, fraction: float, text: str) -> None:
        self._write({"event": "progress", "phase": phase, "fraction": round(fraction, 4), "text": text})

    def warn(self, text: str) -> None:
        self._write({"event": "warning", "text": text})

    def result(self, payload: dict[str, object]) -> None:
        self._write({"event": "result", **payload})

    def _write(self, record: dict[str, object]) -> None:
        self.stream.write(json.dumps(record) + "\n")
        self.stream.flush()


@dataclass
class BarProgress:
    """A single self-overwriting line for a terminal."""

    stream: TextIO
    width: int = 30

    def update(self, phase: str, fraction: float, text: str) -> None:
        filled = round(self.width * min(max(fraction, 0.0), 1.0))
        bar = "#" * filled + "." * (self.width - filled)
        self.stream.write(f"\r\x1b[K[{bar}] {100 * fraction:3.0f} % {text}")
        if fraction >= 1:
            self.stream.write("\n")
        self.stream.flush()

    def warn(self, text: str) -> None:
        self.stream.write(f"\r\x1b[Kwarning: {text}\n")
        self.stream.flush()

    def result(self, payload: dict[str, object]) -> None:
        return None


@dataclass
class WarningsOnly:
    """No bar; warnings still reach `stream`, since a script's log should hold them."""

    stream: TextIO

    def update(self, phase: str, fraction: float, text: str) -> None:
        return None

    def warn(self, text: str) -> None:
        self.stream.write(f"warning: {text}\n")

    def result(self, payload: dict[str, object]) -> None:
        return None


def make_progress(mode: str) -> Progress:
    """Return the reporter for `--progress`: JSON lines go to standard output, all else to standard error."""
    if mode == "json":
        return JsonLinesProgress(sys.stdout)
    if mode == "bar" or (mode == "auto" and sys.stderr.isatty()):
        return BarProgress(sys.stderr)
    return WarningsOnly(sys.stderr)
