"""Child process of `harness.peak_mb`: prints how many MB of memory one call adds at its peak."""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path


def high_water_mb() -> float:
    """Return this process's highest resident memory; `ru_maxrss` alone would start at the parent's."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Run `module function arguments` from the command line."""
    module, function, arguments = sys.argv[1:4]
    run = getattr(importlib.import_module(f"Testing.Benchmarks.{module}"), function)(**json.loads(arguments))
    before = high_water_mb()
    run()
    print(high_water_mb() - before)


if __name__ == "__main__":
    main()
