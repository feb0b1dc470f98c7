"""`python -m Testing.Benchmarks [--output benchmarks.json] [--only NAME]`: measure, print a table, write the rows."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
from pathlib import Path

from Testing import Benchmarks
from Testing.Benchmarks.harness import REGISTRY, meets


def find_benchmarks() -> None:
    """Import every `bench_*.py` of this package, which registers its rows."""
    for module in pkgutil.iter_modules(Benchmarks.__path__):
        if module.name.startswith("bench_"):
            importlib.import_module(f"{Benchmarks.__name__}.{module.name}")


def main() -> None:
    """Run all benchmarks, or those named; the file is rewritten after each, so that an interruption loses none."""
    find_benchmarks()
    parser = argparse.ArgumentParser(prog="python -m Testing.Benchmarks", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks.json"), help="file to write (default: %(default)s)"
    )
    parser.add_argument("--only", action="append", choices=sorted(REGISTRY), help="measure this one only; repeat")
    options = parser.parse_args()
    rows = []
    for name in options.only or sorted(REGISTRY):
        row = REGISTRY[name].row()
        rows.append(row)
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
        if row["value"] is None:
            print(f"{name:32} skipped: {row['skipped']}", flush=True)
            continue
        verdict = "met" if meets(row["value"], row["goal"]) else "MISSED"
        print(
            f"{name:32} {row['value']:10.2f} {row['unit']:16} goal {row['goal']} {verdict}; {row['peer']}", flush=True
        )


if __name__ == "__main__":
    main()
