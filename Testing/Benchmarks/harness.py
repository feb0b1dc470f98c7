"""How a benchmark is registered, timed against its peer and written down."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Measured:
    """What one benchmark came to; `cases` holds the raw figures, as they were measured."""

    value: float
    peer: str
    cases: list[dict[str, Any]] = field(default_factory=list)


class Skipped(Exception):
    """A benchmark that cannot run here; the message says what is missing."""


@dataclass(frozen=True)
class Benchmark:
    """A row of `benchmarks.json`, and the function that measures it."""

    name: str
    unit: str
    goal: str
    measure: Callable[[], Measured]

    def row(self) -> dict[str, Any]:
        """Measure and return the row; `value` is None, with `skipped` saying why, where it cannot be measured."""
        shared = {"name": self.name, "unit": self.unit, "goal": self.goal}
        try:
            measured = self.measure()
        except Skipped as reason:
            return {**shared, "value": None, "peer": None, "cases": [], "skipped": str(reason)}
        return {**shared, "value": round(measured.value, 4), "peer": measured.peer, "cases": measured.cases}


REGISTRY: dict[str, Benchmark] = {}


def benchmark(name: str, unit: str, goal: str) -> Callable[[Callable[[], Measured]], Callable[[], Measured]]:
    """Register the decorated function as the benchmark `name`; `goal` is a comparison such as ">= 4"."""

    def register(measure: Callable[[], Measured]) -> Callable[[], Measured]:
        if name in REGISTRY:
            raise ValueError(f"two benchmarks are named {name}")
        REGISTRY[name] = Benchmark(name, unit, goal, measure)
        return measure

    return register


def alternate(
    forms: Mapping[str, Callable[[], Any]], rounds: int = 3, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Return the median seconds of each form by `clock`, run in turn A B A B after one untimed round.

    Other work on the machine then slows all of them alike, and the ratio of two medians stays meaningful. With
    `time.process_time` the figures are seconds of computing, which other work hardly touches.
    """
    times: dict[str, list[float]] = {name: [] for name in forms}
    for lap in range(rounds + 1):
        for name, run in forms.items():
            start = clock()
            run()
            if lap:
                times[name].append(clock() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def peak_mb(module: str, function: str, **arguments: Any) -> float:
    """Return the peak memory in MB that calling `function(**arguments)()` adds, measured in a fresh process.

    `function` of this package's `module` prepares everything and returns what is to be measured.
    """
    command = [sys.executable, "-m", "Testing.Benchmarks.peak", module, function, json.dumps(arguments)]
    child = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if child.returncode:
        raise RuntimeError(f"measuring {function} with {arguments} failed: {child.stderr.strip()[-500:]}")
    return float(child.stdout.split()[-1])


def data_root() -> Path:
    """Return the folder of real cases, or skip the benchmark."""
    root = Path(os.environ.get("LESIONLENS_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (root / "ms").is_dir():
        raise Skipped("no real data: set LESIONLENS_DATA to the folder that holds ms/")
    return root


def meets(value: float, goal: str) -> bool:
    """Tell whether a value meets a goal such as ">= 4"; more words after the number are for people."""
    sign, number = goal.split()[:2]
    return value >= float(number) if sign == ">=" else value <= float(number)
