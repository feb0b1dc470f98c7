"""`python -m Testing.Benchmarks.attention_table benchmarks.json`: the table of attention as Markdown, for the docs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from Testing.Benchmarks.bench_attention import FORMS


def attention_table(cases: Sequence[dict[str, Any]]) -> str:
    """Return one line a size with seconds of one core and peak MB of each form; a dash where it did not fit."""
    lines = [f"| C, D x H x W | voxels | {' | '.join(FORMS)} |", "|---" * (2 + len(FORMS)) + "|"]
    for case in cases:
        channels, *size = case["size"]
        cells = [
            f"{case['cpu_seconds'][form]:.3g} s, {case['peak_mb'][form]:.0f} MB" if form in case["cpu_seconds"] else "-"
            for form in FORMS
        ]
        lines.append(f"| {channels}, {' x '.join(map(str, size))} | {case['voxels']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    rows = json.loads(Path(sys.argv[1]).read_text())
    print(attention_table(next(row["cases"] for row in rows if row["name"] == "rsa_vs_nonlocal_time")))
