"""`python -m Testing.Benchmarks.page benchmarks.json docs/performance.md`: the rows as a page, on their own machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from Testing.Benchmarks.attention_table import attention_table
from Testing.Benchmarks.harness import meets

HEAD = """# How fast it is

Rows of `make bench`, which may have been measured in several runs with `--only`, written by
`python -m Testing.Benchmarks.page benchmarks.json docs/performance.md` on {machine}.
Ratios are the peer's time or memory over ours, measured in turn in one run: above 1 is ahead. No GPU was at hand, so
there is no figure for one.

| what | measured | goal | | beside |
|---|---|---|---|---|
"""
WHY = {
    "occlusion_resnet_vs_monai": "Behind the first self-attention every voxel depends on every other, so that only the "
    "stem and the first stages can be computed in part; what is dense bounds the ratio.",
    "segment_fast_vs_plain": "The goal was found on a processor with AMX tiles, which multiply bfloat16 numbers "
    "several times faster than AVX-512's instructions do.",
    "load_vs_monai": "What is left is ITK's resampling and the exact percentiles of the clipping, in about equal "
    "parts; reading and unpacking are the smallest.",
}


def page(rows: Sequence[dict[str, Any]], machine: str) -> str:
    """Return the page of all rows, with the reason under it for each goal that was missed, and the attention table."""
    lines = [_line(row) for row in rows]
    missed = [row["name"] for row in rows if row["value"] is not None and not meets(row["value"], row["goal"])]
    text = HEAD.format(machine=machine) + "\n".join(lines) + "\n"
    if missed:
        told = (f"- `{name}`: {WHY.get(name, 'the reason is not known.')}" for name in missed)
        text += "\n## Goals that are missed, and why\n\n" + "\n".join(told) + "\n"
    cases = next((row["cases"] for row in rows if row["name"] == "rsa_vs_nonlocal_time"), [])
    if cases:
        text += "\n## Attention: seconds of one core and peak memory\n\n" + attention_table(cases) + "\n"
    return text


def this_machine() -> str:
    """Return the processor's name and the number of cores."""
    info = Path("/proc/cpuinfo")
    named = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    name = named[0].partition(":")[2].strip() if named else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def _line(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return f"| `{row['name']}` | - | {row['goal']} | not measured | {row['skipped']} |"
    verdict = "met" if meets(row["value"], row["goal"]) else "**missed**"
    return f"| `{row['name']}` | {row['value']:.4g} {row['unit']} | {row['goal']} | {verdict} | {row['peer']} |"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(page(json.loads(Path(sys.argv[1]).read_text()), this_machine()))
